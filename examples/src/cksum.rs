//! The checksum of POSIX `cksum`: something to compute that every system can check.

/// The remainders of all bytes, so that a byte costs one step and not eight.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let carry = crc & 0x8000_0000 != 0;
            crc <<= 1;
            if carry {
                crc ^= 0x04C1_1DB7;
            }
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The CRC that `cksum` prints first: of the bytes, then of their number, lowest byte first.
///
/// ```
/// assert_eq!(gandy_examples::cksum::cksum(b"123456789"), 930_766_865);
/// ```
#[must_use]
pub fn cksum(bytes: &[u8]) -> u32 {
    let length = bytes.len().to_le_bytes();
    let used = length.len() - length.iter().rev().take_while(|byte| **byte == 0).count();
    let step = |crc: u32, byte: &u8| (crc << 8) ^ TABLE[((crc >> 24) as u8 ^ byte) as usize];
    !bytes.iter().chain(&length[..used]).fold(0, step)
}
