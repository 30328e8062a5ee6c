//! Reading and writing the JSON of the wire, without a document tree.

mod blocks;
mod lanes;
mod reader;
mod scan;
mod string;
mod writer;

pub(crate) use blocks::{nested_end, string_end};
pub(crate) use reader::Reader;
pub(crate) use scan::plain_length;
pub(crate) use string::RawString;
pub(crate) use writer::{Count, Escapes, Sink, write_integer, write_joined, write_string, write_string_body};
