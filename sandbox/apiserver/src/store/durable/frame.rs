//! Records on disk: a length and a checksum each of the head and of the payload.

use bytes::Bytes;

/// `length` and `checksum of the payload`, then the checksum of those eight bytes.
pub(super) const HEAD: usize = 12;

/// One object as it was left by one revision; `None`: it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) revision: u64,
    pub(crate) epoch: u64,
    pub(crate) table: String,
    pub(crate) key: String,
    pub(crate) bytes: Option<Bytes>,
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A whole payload, and how many bytes it took with its head.
    Whole(&'a [u8], usize),
    /// The file ends within it: the write was cut off.
    Torn,
    /// Its bytes are not those that were written.
    Damaged,
}

/// Appends a payload with its head.
pub(super) fn write(payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).expect("bodies are limited to megabytes");
    let start = out.len();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let head = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&head.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Reads what stands at the start of `bytes`, which is not empty.
pub(super) fn read(bytes: &[u8]) -> Frame<'_> {
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else {
        return Frame::Torn;
    };
    let number = |at: usize| {
        head[at..at + 4].iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte))
    };
    if crc32fast::hash(&head[..8]) != number(8) {
        return Frame::Damaged;
    }
    let length = number(0) as usize;
    match rest.get(..length) {
        None => Frame::Torn,
        Some(payload) if crc32fast::hash(payload) == number(4) => {
            Frame::Whole(payload, HEAD + length)
        }
        Some(_) => Frame::Damaged,
    }
}

impl Record {
    /// Appends the record as a frame.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let size = self.bytes.as_ref().map_or(0, Bytes::len);
        let mut payload = Vec::with_capacity(size + self.table.len() + self.key.len() + 25);
        payload.extend_from_slice(&self.revision.to_le_bytes());
        payload.extend_from_slice(&self.epoch.to_le_bytes());
        payload.push(u8::from(self.bytes.is_some()));
        for text in [&self.table, &self.key] {
            let length = u32::try_from(text.len()).expect("names are short");
            payload.extend_from_slice(&length.to_le_bytes());
            payload.extend_from_slice(text.as_bytes());
        }
        payload.extend_from_slice(self.bytes.as_deref().unwrap_or_default());
        write(&payload, out);
    }

    /// Reads a payload; `None` when it is none of ours.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let mut rest = payload;
        let mut take = |count: usize| -> Option<&[u8]> {
            let (taken, left) = rest.split_at_checked(count)?;
            rest = left;
            Some(taken)
        };
        let revision = u64::from_le_bytes(take(8)?.try_into().ok()?);
        let epoch = u64::from_le_bytes(take(8)?.try_into().ok()?);
        let present = *take(1)?.first()? == 1;
        let mut text = || -> Option<String> {
            let length = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
            String::from_utf8(take(length)?.to_vec()).ok()
        };
        let (table, key) = (text()?, text()?);
        let bytes = present.then(|| Bytes::copy_from_slice(rest));
        Some(Self { revision, epoch, table, key, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            revision: 7,
            epoch: 2,
            table: "g/things".to_owned(),
            key: "a/b".to_owned(),
            bytes: Some(Bytes::from_static(b"{}")),
        }
    }

    #[test]
    fn records_come_back_and_every_cut_and_flip_is_noticed() {
        let mut bytes = Vec::new();
        record().encode(&mut bytes);
        let Frame::Whole(payload, taken) = read(&bytes) else { panic!("a whole frame") };
        assert_eq!((Record::decode(payload), taken), (Some(record()), bytes.len()));
        for cut in 1..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Frame::Torn, "cut at {cut}");
        }
        for flip in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[flip] ^= 0x10;
            assert_eq!(read(&bad), Frame::Damaged, "flip at {flip}");
        }
    }
}
