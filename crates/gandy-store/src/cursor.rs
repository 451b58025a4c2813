//! Walking over all entries of a place, page by page, while others push, pop, add and remove: memory stays flat, and no
//! page makes anybody wait.
//!
//! A walk ends although its place grows: of a sorted set it knows the last entry at its start and goes no further, of a
//! queue how many there were. An entry that stays where it is all the while is met; of a set once, of a queue again only
//! where all of the page before it were taken out by somebody else. What comes in meanwhile may be met.
//!
//! Not here: what is done with the entries (`act`), and single pages by number (`place`).

use std::cmp::Ordering;

use crate::{
    Entry, Line, Place, StoreError,
    hunt::{Hunt, Look},
    trail::{Sight, Trail},
};

/// Entries of the first page. The size of an entry is known only after it was read (I12).
const FIRST: usize = 16;
/// Entries of a page at most: with payloads of 300 bytes a step on them takes Redis about a millisecond.
const MOST: usize = 500;
/// A page becomes larger while it stays below this many bytes.
const BYTES: usize = 256 << 10;

/// Among so many entries beyond its place is an entry looked for that was not found before it: workers that stop give back
/// what they had claimed.
const GIVEN_BACK: usize = 4 * MOST;

/// Where a walk stands.
#[derive(Debug, Clone)]
pub struct Cursor {
    place: Place,
    at: At,
    count: usize,
}

#[derive(Debug, Clone)]
enum At {
    Set(Set),
    List(List),
}

#[derive(Debug, Clone)]
struct Set {
    youngest_first: bool,
    /// The entry met last; the walk goes on behind it, whether it is still there or not.
    after: Option<Entry>,
    /// The last entry when the walk began; none: there was none.
    until: Option<Entry>,
    /// Where the next entry should stand. Others move entries, so each page is checked.
    index: usize,
}

#[derive(Debug, Clone)]
struct List {
    /// Landed jobs are popped first, so they come first here too.
    landing: bool,
    /// What was met and left there.
    trail: Trail,
    /// The same before the present page.
    before: Trail,
    /// Entries still to be met: in the landing list, in the queue.
    left: [usize; 2],
}

/// The part of a place in which a page stood, to be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) key: String,
    /// Of a list, first and last index from its right end.
    pub(crate) list: Option<(i64, i64)>,
}

impl Set {
    /// How two entries stand to each other in the order of the walk.
    fn order(&self, one: &Entry, other: &Entry) -> Ordering {
        let score = |entry: &Entry| entry.score.unwrap_or_default();
        let order = score(one)
            .total_cmp(&score(other))
            .then_with(|| one.bytes.cmp(&other.bytes));
        if self.youngest_first {
            order.reverse()
        } else {
            order
        }
    }
}

impl List {
    /// The walk goes on behind a mark, and what it meets again there is to be met on top of the rest.
    fn back_to(&mut self, sight: Sight, kept: usize) {
        self.left[usize::from(!self.landing)] += self.trail.back_to(sight, kept);
    }
}

impl Cursor {
    /// The place that is walked over.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Says of each entry of the page that was read last whether it was taken away, by us or by somebody else.
    pub fn removed(&mut self, page: &[Entry], gone: &[bool]) {
        let count = gone.iter().filter(|gone| **gone).count();
        match &mut self.at {
            At::Set(set) => set.index = set.index.saturating_sub(count),
            At::List(list) => {
                let kept = page.iter().zip(gone).filter(|(_, gone)| !**gone);
                let kept: Vec<&[u8]> = kept.map(|(entry, _)| &*entry.bytes).collect();
                list.before.extend(kept.into_iter());
                list.trail = list.before.clone();
            }
        }
    }

    pub(crate) fn part(&self, line: &Line) -> Part {
        match &self.at {
            At::Set(_) => Part {
                key: line.set_key(&self.place),
                list: None,
            },
            At::List(list) => {
                let (kept, before) = (list.trail.kept(), list.before.kept());
                let length = kept - before;
                // Workers pop while the step is on its way, so that entries stand further to the right than they were.
                let last = before.saturating_sub((2 * length).max(20)) + 1;
                Part {
                    key: self.list_key(line, list.landing),
                    list: Some((-(kept as i64), -(last as i64))),
                }
            }
        }
    }

    fn list_key(&self, line: &Line, landing: bool) -> String {
        match &self.place {
            Place::Queue(name) if landing => line.keys().landing(name),
            place => line.set_key(place),
        }
    }

    /// Pages grow and shrink with the entries that are met.
    fn weigh(&mut self, page: &[Entry]) {
        let bytes: usize = page.iter().map(|entry| entry.bytes.len()).sum();
        self.count = match bytes {
            0..BYTES => (self.count * 4).min(MOST),
            _ => (self.count * BYTES / bytes).max(1),
        };
    }
}

impl Line {
    /// Begins a walk: of a queue in the order in which it is popped, of a set by score.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn walk_over(
        &self,
        place: &Place,
        youngest_first: bool,
    ) -> Result<Cursor, StoreError> {
        let at = match place {
            Place::Queue(name) => {
                let mut pipe = redis::pipe();
                pipe.cmd("LLEN").arg(self.keys().landing(name));
                pipe.cmd("LLEN").arg(self.keys().queue(name));
                let mut left = [0; 2];
                for (left, length) in left.iter_mut().zip(self.all(&pipe).await?) {
                    *left = self.read(length)?;
                }
                At::List(List {
                    landing: true,
                    trail: Trail::default(),
                    before: Trail::default(),
                    left,
                })
            }
            set => {
                let last = self.ranked(set, !youngest_first, 0, 1).await?;
                At::Set(Set {
                    youngest_first,
                    after: None,
                    until: last.into_iter().next(),
                    index: 0,
                })
            }
        };
        Ok(Cursor {
            place: place.clone(),
            at,
            count: FIRST,
        })
    }

    /// The next page, at most `most` entries; none are left when it is empty.
    ///
    /// # Errors
    /// Any; reads only, and the cursor stays where it was.
    pub async fn next_page(
        &self,
        cursor: &mut Cursor,
        most: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let count = cursor.count.min(most).max(1);
        let page = match &cursor.at {
            At::Set(set) => {
                let (page, next) = self.page_of_set(&cursor.place, set, count).await?;
                cursor.at = At::Set(next);
                page
            }
            At::List(list) => {
                let (page, next) = self.page_of_list(cursor, list.clone(), count).await?;
                cursor.at = At::List(next);
                page
            }
        };
        cursor.weigh(&page);
        Ok(page)
    }

    /// The page behind `set.after`. One entry before it is read too: only where that was met already, nothing between was
    /// missed. Otherwise the place is searched.
    async fn page_of_set(
        &self,
        place: &Place,
        set: &Set,
        count: usize,
    ) -> Result<(Vec<Entry>, Set), StoreError> {
        let mut next = set.clone();
        let Some(until) = &set.until else {
            return Ok((Vec::new(), next));
        };
        let mut hunt = Hunt::new(set.index, count + 1);
        loop {
            let from = hunt.from();
            let mut page = self
                .ranked(place, set.youngest_first, from, count + 1)
                .await?;
            let met = match &set.after {
                Some(after) => {
                    page.partition_point(|entry| set.order(entry, after) != Ordering::Greater)
                }
                None => 0,
            };
            if hunt.saw(page.len(), met) == Look::Elsewhere {
                continue;
            }
            page.drain(..met);
            page.truncate(count);
            next.index = from + met + page.len();
            page.retain(|entry| set.order(entry, until) != Ordering::Greater);
            if let Some(last) = page.last() {
                next.after = Some(last.clone());
            }
            return Ok((page, next));
        }
    }

    /// Entries by rank, from either end.
    async fn ranked(
        &self,
        place: &Place,
        youngest_first: bool,
        from: usize,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let verb = if youngest_first {
            "ZREVRANGE"
        } else {
            "ZRANGE"
        };
        let mut command = redis::cmd(verb);
        command
            .arg(self.set_key(place))
            .arg(from)
            .arg(from + count - 1)
            .arg("WITHSCORES");
        let items: Vec<(Vec<u8>, f64)> = self.query(&command).await?;
        let entry = |(bytes, score)| Entry {
            bytes,
            score: Some(score),
        };
        Ok(items.into_iter().map(entry).collect())
    }

    async fn page_of_list(
        &self,
        cursor: &Cursor,
        mut list: List,
        count: usize,
    ) -> Result<(Vec<Entry>, List), StoreError> {
        loop {
            let left = list.left[usize::from(!list.landing)];
            let key = cursor.list_key(self, list.landing);
            let page = match left {
                0 => Vec::new(),
                left => self.behind(&key, &mut list, count.min(left)).await?,
            };
            if !page.is_empty() {
                list.left[usize::from(!list.landing)] -= page.len();
                list.before = list.trail.clone();
                list.trail.extend(page.iter().map(|entry| &*entry.bytes));
                return Ok((page, list));
            }
            if !list.landing {
                return Ok((page, list));
            }
            list.landing = false;
            list.trail = Trail::default();
        }
    }

    /// The entries to the left of those that were met and kept, the rightmost first.
    async fn behind(
        &self,
        key: &str,
        list: &mut List,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let entry = |bytes| Entry { bytes, score: None };
        loop {
            let kept = list.trail.kept();
            // With the last that was met, if there is one.
            let mut page = self
                .right_part(key, kept.saturating_sub(1), count + usize::from(kept > 0))
                .await?;
            if kept == 0 {
                return Ok(page.into_iter().map(entry).collect());
            }
            if let Some(sight) = list.trail.sight(&page).filter(|sight| sight.is_last()) {
                // Given-back jobs are put in at the right end and push all others to the left.
                list.back_to(sight, kept + sight.at);
                page.drain(..=sight.at);
                if page.is_empty() && sight.at > 0 {
                    continue;
                }
                return Ok(page.into_iter().map(entry).collect());
            }
            match self.find_mark(key, &list.trail).await? {
                Some((sight, kept)) => list.back_to(sight, kept),
                // All that was met was popped.
                None => list.trail = Trail::default(),
            }
        }
    }

    /// The leftmost mark of a trail that is still there, and how many entries there are up to and with it. It stands further to
    /// the right where others pop, further to the left where many were given back.
    async fn find_mark(
        &self,
        key: &str,
        trail: &Trail,
    ) -> Result<Option<(Sight, usize)>, StoreError> {
        let kept = trail.kept();
        let mut found = None;
        let mut end = kept;
        while end > 0 && found.is_none() {
            let begin = end.saturating_sub(MOST);
            found = self.look(key, trail, begin, end - begin).await?;
            end = begin;
        }
        if found.is_some_and(|(sight, _): (Sight, usize)| sight.is_last()) {
            return Ok(found);
        }
        for window in 0..GIVEN_BACK / MOST {
            let other = self.look(key, trail, kept + window * MOST, MOST).await?;
            found = match (found, other) {
                (Some((one, _)), Some((other, _))) if !other.is_behind(one) => found,
                (_, Some(other)) => Some(other),
                (found, None) => found,
            };
        }
        Ok(found)
    }

    async fn look(
        &self,
        key: &str,
        trail: &Trail,
        from: usize,
        count: usize,
    ) -> Result<Option<(Sight, usize)>, StoreError> {
        let part = self.right_part(key, from, count).await?;
        Ok(trail.sight(&part).map(|sight| (sight, from + sight.at + 1)))
    }

    /// `count` entries of a list from position `from`, both counted from its right end.
    async fn right_part(
        &self,
        key: &str,
        from: usize,
        count: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut command = redis::cmd("LRANGE");
        command
            .arg(key)
            .arg(-((from + count) as i64))
            .arg(-(from as i64) - 1);
        let mut items: Vec<Vec<u8>> = self.query(&command).await?;
        items.reverse();
        Ok(items)
    }
}
