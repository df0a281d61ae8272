//! What the fuzz targets of the storage share: the frames of its blobs.

/// The version of a blob that is compressed as a whole, and of one that has a part that is not.
const VERSION: u8 = 1;
const VERSION_SPLIT: u8 = 2;

/// Runs something to its end.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("there are threads");
    runtime.block_on(future)
}

/// Anything with a version and the checksum that the storage asks for.
pub(crate) fn sealed(content: &[u8]) -> Vec<u8> {
    with_checksum(VERSION, content)
}

/// Content, compressed, as the storage frames it.
pub(crate) fn framed(content: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    write_len(&mut blob, content.len());
    blob.extend(compressed(content));
    with_checksum(VERSION, &blob)
}

/// Content of which only a first part is compressed, as the storage frames it; how long that is
/// stands in the first two bytes.
pub(crate) fn split(bytes: &[u8]) -> Vec<u8> {
    let (length, content) = match bytes.split_first_chunk() {
        Some((length, content)) => (usize::from(u16::from_le_bytes(*length)), content),
        None => (0, bytes),
    };
    let (first, plain) = content.split_at(length.min(content.len()));
    let compressed = compressed(first);
    let mut blob = Vec::new();
    write_len(&mut blob, first.len());
    write_len(&mut blob, compressed.len());
    blob.extend(compressed);
    blob.extend_from_slice(plain);
    with_checksum(VERSION_SPLIT, &blob)
}

fn compressed(content: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(content, 1).expect("there is memory")
}

fn write_len(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(0x80 | u8::try_from(length & 0x7f).expect("seven bits"));
        length >>= 7;
    }
    out.push(u8::try_from(length).expect("seven bits"));
}

fn with_checksum(version: u8, content: &[u8]) -> Vec<u8> {
    let mut blob = vec![version];
    blob.extend_from_slice(content);
    blob.extend(crc32c::crc32c(&blob).to_le_bytes());
    blob
}
