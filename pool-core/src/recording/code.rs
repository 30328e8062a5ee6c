//! How values are written as bytes, and read again.
//!
//! A struct is its fields, an enum a byte and the fields of the variant: [`coded_struct!`] and [`coded_enum!`] take the
//! names of all of them. A field or a variant that is added to a type and not named there does not compile. Whoever adds
//! one raises [`FORMAT`](super::FORMAT).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::read::Fault;

/// A value that can be written. Outputs are written only, for their digest.
pub(super) trait Encode {
    fn encode(&self, out: &mut Vec<u8>);
}

/// An enum whose variants are told by their first byte: for tests that want one of each.
#[cfg(test)]
pub(super) trait Variants {
    /// Those bytes, in the order of the table.
    const FIRST: &'static [u8];
}

/// A value that can be read again.
pub(super) trait Decode<'a>: Sized {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault>;
}

/// Bytes that are being read. Nothing that is read from it takes memory for more than is there.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// So many bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(Fault::Short)?;
        self.at += count;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A text, after its length.
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        let bytes = usize::decode(self)?;
        core::str::from_utf8(self.take(bytes)?).map_err(|_| Fault::Bad("a text is not UTF-8"))
    }
}

/// Seven bits a byte, the lowest first; all but the last have the highest bit set.
pub(super) fn put_varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
}

/// From one number to another, either way, wrapping: small distances are short.
pub(super) fn put_distance(from: u64, to: u64, out: &mut Vec<u8>) {
    let distance = to.wrapping_sub(from);
    let sign = if distance >> 63 == 1 { u64::MAX } else { 0 };
    put_varint((distance << 1) ^ sign, out);
}

/// The number at the distance that is read.
pub(super) fn distance_from(from: u64, source: &mut Source<'_>) -> Result<u64, Fault> {
    let folded = u64::decode(source)?;
    let sign = if folded & 1 == 1 { u64::MAX } else { 0 };
    Ok(from.wrapping_add((folded >> 1) ^ sign))
}

pub(super) fn put_text(text: &str, out: &mut Vec<u8>) {
    text.len().encode(out);
    out.extend_from_slice(text.as_bytes());
}

/// A list, after its length.
pub(super) fn put_list<'a, T: Encode + 'a>(items: impl ExactSizeIterator<Item = &'a T>, out: &mut Vec<u8>) {
    items.len().encode(out);
    items.for_each(|item| item.encode(out));
}

impl Encode for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(*self, out);
    }
}

impl<'a> Decode<'a> for u64 {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        let mut n = 0;
        for shift in (0..70).step_by(7) {
            let byte = from.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(Fault::Bad("a number is longer than 64 bits"))
    }
}

macro_rules! as_u64 {
    ($($number:ty)*) => {$(
        impl Encode for $number {
            fn encode(&self, out: &mut Vec<u8>) {
                // No platform that Rust runs on has a larger usize.
                put_varint(u64::try_from(*self).unwrap_or(u64::MAX), out);
            }
        }

        impl<'a> Decode<'a> for $number {
            fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
                Self::try_from(u64::decode(from)?).map_err(|_| Fault::Bad("a number is too large for its place"))
            }
        }
    )*};
}

as_u64! { u8 u16 u32 usize }

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl<'a> Decode<'a> for bool {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Fault::Bad("neither yes nor no")),
        }
    }
}

impl Encode for char {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(u32::from(*self).into(), out);
    }
}

impl<'a> Decode<'a> for char {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        char::from_u32(u32::decode(from)?).ok_or(Fault::Bad("no such character"))
    }
}

impl Encode for Duration {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(self.as_secs(), out);
        put_varint(self.subsec_nanos().into(), out);
    }
}

impl<'a> Decode<'a> for Duration {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        let (secs, nanos) = (u64::decode(from)?, u32::decode(from)?);
        if nanos >= 1_000_000_000 {
            Err(Fault::Bad("a second has 10⁹ nanoseconds"))
        } else {
            Ok(Self::new(secs, nanos))
        }
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<'a, const N: usize> Decode<'a> for [u8; N] {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        from.array()
    }
}

impl Encode for str {
    fn encode(&self, out: &mut Vec<u8>) {
        put_text(self, out);
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

impl<'a> Decode<'a> for &'a str {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        from.text()
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Vec<u8>) {
        put_text(self, out);
    }
}

impl<'a> Decode<'a> for String {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        from.text().map(Into::into)
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_list(self.iter(), out);
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        let count = usize::decode(from)?;
        // Grows with what is really there: a count alone takes no memory.
        let mut items = Self::new();
        for _ in 0..count {
            items.push(T::decode(from)?);
        }
        Ok(items)
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        self.iter().for_each(|it| it.encode(out));
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Option<T> {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        bool::decode(from)?.then(|| T::decode(from)).transpose()
    }
}

impl<T: Encode + ?Sized> Encode for Box<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Box<T> {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        T::decode(from).map(Self::new)
    }
}

impl<T: Encode + ?Sized> Encode for Arc<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Arc<T> {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        T::decode(from).map(Self::new)
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<'a, A: Decode<'a>, B: Decode<'a>> Decode<'a> for (A, B) {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        Ok((A::decode(from)?, B::decode(from)?))
    }
}

impl<A: Encode, B: Encode> Encode for Result<A, B> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_ok().encode(out);
        match self {
            Ok(good) => good.encode(out),
            Err(bad) => bad.encode(out),
        }
    }
}

impl<'a, A: Decode<'a>, B: Decode<'a>> Decode<'a> for Result<A, B> {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        Ok(if bool::decode(from)? { Ok(A::decode(from)?) } else { Err(B::decode(from)?) })
    }
}

/// A struct, by the names of all of its fields.
macro_rules! coded_struct {
    ($type:ident { $($field:ident),* $(,)? }) => {
        $crate::recording::code::written_struct! { $type { $($field),* } }

        impl<'a> $crate::recording::code::Decode<'a> for $type {
            fn decode(
                from: &mut $crate::recording::code::Source<'a>,
            ) -> Result<Self, $crate::recording::read::Fault> {
                $(let $field = $crate::recording::code::Decode::decode(from)?;)*
                Ok(Self { $($field),* })
            }
        }
    };
}

/// A struct that is written only.
macro_rules! written_struct {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl $crate::recording::code::Encode for $type {
            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                let Self { $($field),* } = self;
                $($crate::recording::code::Encode::encode($field, out);)*
            }
        }
    };
}

/// An enum, by its bytes, and the names of all of its variants and their fields.
macro_rules! coded_enum {
    ($type:ident <$life:lifetime> { $($variants:tt)* }) => {
        $crate::recording::code::coded_enum! { @ $life ($type <$life>) { $($variants)* } }
    };
    ($type:ident { $($variants:tt)* }) => {
        $crate::recording::code::coded_enum! { @ 'a ($type) { $($variants)* } }
    };
    (@ $a:lifetime ($type:ident $(<$life:lifetime>)?)
        { $($tag:literal $variant:ident $( { $($field:ident),* } )? $( ( $($item:ident),* ) )? ),* $(,)? }) => {
        $crate::recording::code::written_enum! {
            $type $(<$life>)? { $($tag $variant $( { $($field),* } )? $( ( $($item),* ) )? ),* }
        }

        impl<$a> $crate::recording::code::Decode<$a> for $type $(<$life>)? {
            fn decode(
                from: &mut $crate::recording::code::Source<$a>,
            ) -> Result<Self, $crate::recording::read::Fault> {
                match from.byte()? {
                    $($tag => {
                        $($(let $field = $crate::recording::code::Decode::decode(from)?;)*)?
                        $($(let $item = $crate::recording::code::Decode::decode(from)?;)*)?
                        Ok(Self::$variant $( { $($field),* } )? $( ( $($item),* ) )?)
                    })*
                    _ => Err($crate::recording::read::Fault::Bad(concat!("no such ", stringify!($type)))),
                }
            }
        }
    };
}

/// An enum that is written only.
macro_rules! written_enum {
    ($type:ident $(<$life:lifetime>)?
        { $($tag:literal $variant:ident $( { $($field:ident),* } )? $( ( $($item:ident),* ) )? ),* $(,)? }) => {
        #[cfg(test)]
        impl $(<$life>)? $crate::recording::code::Variants for $type $(<$life>)? {
            const FIRST: &'static [u8] = &[$($tag),*];
        }

        impl $(<$life>)? $crate::recording::code::Encode for $type $(<$life>)? {
            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                match self {
                    $(Self::$variant $( { $($field),* } )? $( ( $($item),* ) )? => {
                        out.push($tag);
                        $($($crate::recording::code::Encode::encode($field, out);)*)?
                        $($($crate::recording::code::Encode::encode($item, out);)*)?
                    })*
                }
            }
        }
    };
}

pub(super) use {coded_enum, coded_struct, written_enum, written_struct};
