//! The wire format of Protocol Buffers, read field by field and without copying.
//!
//! A message of remote write is three levels of fields, most of which are text that goes into label
//! sets at once: borrowed slices are all there is to it. Nothing is allocated, so a length that
//! lies costs nothing.
//!
//! <https://protobuf.dev/programming-guides/encoding/>

/// The bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// The message ends inside of a field.
    #[error("unexpected end of the message")]
    CutShort,
    /// A number of more than ten bytes, or beyond 64 bits.
    #[error("integer overflow")]
    Overflow,
    /// A field of a kind that does not exist or is not used any more (groups).
    #[error("illegal wire type {0}")]
    WireType(u8),
    /// Field numbers begin at 1.
    #[error("illegal tag 0")]
    Tag,
    /// A field whose kind is not that of its definition.
    #[error("wrong wire type for field {0}")]
    Mismatch(u64),
    /// A text that is not UTF-8.
    #[error("field {0} contains invalid UTF-8")]
    NotUtf8(u64),
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// A field: its number and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) value: Value<'a>,
}

impl<'a> Field<'a> {
    /// A message inside of the message.
    pub(super) fn message(self) -> Result<Message<'a>, WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(Message(bytes)),
            _ => Err(WireError::Mismatch(self.number)),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, WireError> {
        match self.value {
            Value::Bytes(bytes) => {
                std::str::from_utf8(bytes).map_err(|_| WireError::NotUtf8(self.number))
            }
            _ => Err(WireError::Mismatch(self.number)),
        }
    }

    pub(super) fn double(self) -> Result<f64, WireError> {
        match self.value {
            Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(WireError::Mismatch(self.number)),
        }
    }

    /// A number that may be negative, in two's complement.
    pub(super) fn int64(self) -> Result<i64, WireError> {
        match self.value {
            Value::Varint(bits) => Ok(bits.cast_signed()),
            _ => Err(WireError::Mismatch(self.number)),
        }
    }
}

/// The fields of a message in the order in which they were written; ends after the first error.
#[derive(Clone, Debug)]
pub(super) struct Message<'a>(pub(super) &'a [u8]);

impl<'a> Message<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(length).map_err(|_| WireError::CutShort)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(WireError::CutShort)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(WireError::CutShort)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(WireError::Overflow);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Overflow)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let taken = self.take(N as u64)?;
        taken.try_into().map_err(|_| WireError::CutShort)
    }

    fn field(&mut self) -> Result<Field<'a>, WireError> {
        let tag = self.varint()?;
        let (number, kind) = (tag >> 3, tag & 7);
        if number == 0 {
            return Err(WireError::Tag);
        }
        let value = match kind {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            kind => {
                let kind = u8::try_from(kind).unwrap_or(u8::MAX);
                return Err(WireError::WireType(kind));
            }
        };
        Ok(Field { number, value })
    }
}

impl<'a> Iterator for Message<'a> {
    type Item = Result<Field<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, WireError> {
        Message(bytes)
            .map(|field| field.map(|field| (field.number, field.value)))
            .collect()
    }

    #[test]
    fn each_kind_of_field() {
        assert_eq!(fields(&[]), Ok(vec![]));
        assert_eq!(
            fields(&[0x08, 0x96, 0x01]),
            Ok(vec![(1, Value::Varint(150))])
        );
        assert_eq!(
            fields(b"\x12\x02hi\x1d\x01\x00\x00\x00"),
            Ok(vec![(2, Value::Bytes(b"hi")), (3, Value::Fixed32(1))])
        );
        assert_eq!(
            fields(&[0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
            Ok(vec![(4, Value::Fixed64(1f64.to_bits()))])
        );
        let minus_one = [0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        let field = Message(&minus_one).next().unwrap().unwrap();
        assert_eq!(field.int64(), Ok(-1));
        assert_eq!(field.text(), Err(WireError::Mismatch(2)));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let cases: [(&[u8], WireError); 8] = [
            (&[0x08], WireError::CutShort),
            (&[0x08, 0x80], WireError::CutShort),
            (&[0x12, 0x05, b'a'], WireError::CutShort),
            (
                &[0x12, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
                WireError::CutShort,
            ),
            (
                &[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
                WireError::Overflow,
            ),
            (&[0x0b], WireError::WireType(3)),
            (&[0x02, 0x00], WireError::Tag),
            (&[0x0d, 1, 2], WireError::CutShort),
        ];
        for (bytes, expected) in cases {
            assert_eq!(fields(bytes), Err(expected), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Message(&bytes).count() <= bytes.len());
        }
    }
}
