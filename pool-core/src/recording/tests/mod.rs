//! Every kind of value is written and read again; and what a recording does at its bounds, and with bytes that are not
//! as they were written.

mod bounds;
mod damage;
mod format;
mod replaying;
mod run;
mod shrinking;
mod values;
