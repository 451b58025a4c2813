//! A fast hash for states. What is explored is remembered by 64 bits of it: at ten million states the chance that two of
//! them share one, and one of them is not looked at, is one in 370,000.

use std::hash::{Hash, Hasher};

/// Folded multiplications. Nobody chooses our states against us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mixer(u64);

impl Default for Mixer {
    fn default() -> Self {
        Self(0x2d35_8dcc_aa6c_78a5)
    }
}

impl Mixer {
    /// The hash of one value; never 0.
    pub(crate) fn of(value: &impl Hash) -> u64 {
        let mut mixer = Self::default();
        value.hash(&mut mixer);
        mixer.finish().max(1)
    }

    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x8bb8_4b93_962e_acc9;
        self.0 = (product as u64) ^ ((product >> 64) as u64).rotate_left(23);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        let mut last = *self;
        last.mix(0x9e37_79b9_7f4a_7c15);
        last.0
    }
}
