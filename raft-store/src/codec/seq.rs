//! A list in a payload.
//!
//! Same bytes as bincode's own list (a count, then the elements), read with one more check: an element takes at
//! least one byte, so a count beyond the bytes that are left is refused before anything is allocated for it.

use bincode::de::Decoder;
use bincode::de::read::Reader as _;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

/// A list in a payload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seq<T>(pub(super) Vec<T>);

impl<T: Encode> Encode for Seq<T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.0.len() as u64).encode(encoder)?;
        self.0.iter().try_for_each(|item| item.encode(encoder))
    }
}

impl<Context, T: Decode<Context>> Decode<Context> for Seq<T> {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let count = u64::decode(decoder)?;
        let count = usize::try_from(count).map_err(|_| DecodeError::OutsideUsizeRange(count))?;
        if count > 0 && decoder.reader().peek_read(count).is_none() {
            return Err(DecodeError::UnexpectedEnd { additional: count });
        }
        // Grown as elements arrive, not by the count: a count is a claim, an element is evidence.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(T::decode(decoder)?);
        }
        Ok(Self(items))
    }
}

impl<'de, Context, T: Decode<Context>> bincode::BorrowDecode<'de, Context> for Seq<T> {
    fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}
