//! A short list with room for so many, inside a state. No allocation: an exploration copies millions of them.

use std::{
    fmt,
    hash::{Hash, Hasher},
    ops::{Deref, DerefMut},
};

/// Up to `N` items. What lies behind the last one is always the default, so equal lists are equal bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct List<T, const N: usize> {
    len: u8,
    items: [T; N],
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self {
            len: 0,
            items: [T::default(); N],
        }
    }
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    /// How many more it takes.
    #[must_use]
    pub fn room(&self) -> usize {
        N - self.len()
    }

    /// Adds at the right end.
    ///
    /// # Panics
    /// When it is full: the bounds of the model are then too small for the scene, and silence would hide states.
    pub fn push(&mut self, item: T) {
        assert!(self.room() > 0, "a list of the model holds {N} at most");
        self.items[usize::from(self.len)] = item;
        self.len += 1;
    }

    /// Adds at the left end.
    ///
    /// # Panics
    /// As [`List::push`].
    pub fn push_left(&mut self, item: T) {
        self.push(item);
        self.rotate_right(1);
    }

    /// Takes from the right end.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        Some(self.remove(last))
    }

    /// Takes the one at `index` out.
    pub fn remove(&mut self, index: usize) -> T {
        let item = self[index];
        self[index..].rotate_left(1);
        self.len -= 1;
        self.items[usize::from(self.len)] = T::default();
        item
    }

    /// Keeps those of which `keep` says so.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        for index in (0..self.len()).rev() {
            if !keep(&self[index]) {
                self.remove(index);
            }
        }
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items[..usize::from(self.len)]
    }
}

impl<T, const N: usize> DerefMut for List<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items[..usize::from(self.len)]
    }
}

impl<T: Hash, const N: usize> Hash for List<T, N> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u8(self.len);
        for item in &**self {
            item.hash(hasher);
        }
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}
