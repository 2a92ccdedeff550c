//! The hash tree of a file: BLAKE3 in groups of 16 KiB, so that each part of a file can be proven by
//! itself.
//!
//! The hash of a file is its plain BLAKE3 hash. BLAKE3 is a tree: the hash of a part is made of those of
//! its left and right half, where the left half is the largest power of two of groups that leaves
//! something for the right one. [`Hasher`] hands out these pairs while it hashes, to be stored in the
//! order in which they come; [`Parents`] finds the pairs that prove a group in there; [`Verifier`]
//! proves groups one after the other. Only a pair that was not sent before is sent, so a proof costs
//! 64 bytes for each group.

use blake3::hazmat::{self, ChainingValue, HasherExt as _, Mode};

use crate::limits::GROUP_BYTES;
use crate::model::HashPair;

/// How many groups a file of this size has. An empty one has one, which is empty.
#[must_use]
pub const fn groups(size: u64) -> u64 {
    let groups = size.div_ceil(GROUP);
    if groups == 0 { 1 } else { groups }
}

/// How many pairs are stored for a file of this size.
#[must_use]
pub const fn pairs(size: u64) -> u64 {
    groups(size) - 1
}

/// How many pairs are there once this many whole groups were hashed, of a file that goes on.
#[must_use]
pub const fn pairs_until(groups: u64) -> u64 {
    groups - groups.count_ones() as u64
}

/// Hashes a file from its start, whose size is known.
///
/// Can be stopped after a whole group, and go on from the pairs that it handed out; see
/// [`resume`](Self::resume).
#[derive(Clone, Debug)]
pub struct Hasher {
    size: u64,
    /// Whole groups that are hashed.
    groups: u64,
    /// The group that is not whole yet.
    group: blake3::Hasher,
    /// Bytes of it.
    filled: usize,
    /// Values of whole subtrees that wait for their right neighbour: one for each bit that is set in
    /// `groups`.
    waiting: Vec<ChainingValue>,
    root: Option<[u8; 32]>,
}

impl Hasher {
    /// Nothing is hashed yet.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self {
            size,
            groups: 0,
            group: blake3::Hasher::new(),
            filled: 0,
            waiting: Vec::new(),
            root: None,
        }
    }

    /// Goes on behind this many whole groups, less than all of the file.
    ///
    /// `pair` reads the pair that was the n-th to be handed out. `last` is the last whole group, which
    /// is needed when their number is odd: no pair has its value.
    pub fn resume<E>(
        size: u64,
        groups: u64,
        last: &[u8],
        mut pair: impl FnMut(u64) -> Result<HashPair, E>,
    ) -> Result<Self, E> {
        let mut hasher = Self::new(size);
        let mut start = 0;
        for level in (0..u64::BITS)
            .rev()
            .filter(|level| groups >> level & 1 == 1)
        {
            let value = if level == 0 {
                group_value(last, start)
            } else {
                let [left, right] = pair(place(start, level))?;
                hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash)
            };
            hasher.waiting.push(value);
            start += 1 << level;
        }
        hasher.start_group(groups);
        Ok(hasher)
    }

    /// Takes the next bytes. What is beyond the size is left alone, so check before.
    pub fn update(&mut self, mut bytes: &[u8], mut pair: impl FnMut(HashPair)) {
        while !bytes.is_empty() {
            let room = (GROUP_BYTES - self.filled).min(bytes.len());
            let (part, rest) = bytes.split_at(room);
            self.group.update(part);
            self.filled += room;
            bytes = rest;
            let hashed = self.hashed();
            // The last group may be the root, and is done in `finish`.
            if self.filled == GROUP_BYTES && hashed < self.size {
                let value = self.group.finalize_non_root();
                self.add(value, &mut pair);
                self.start_group(self.groups + 1);
            }
        }
    }

    /// How many bytes were hashed.
    #[must_use]
    pub const fn hashed(&self) -> u64 {
        self.groups * GROUP + self.filled as u64
    }

    /// How many whole groups were hashed, and their pairs handed out.
    #[must_use]
    pub const fn groups(&self) -> u64 {
        self.groups
    }

    /// The hash of the whole file, once all of it was hashed. Hands out the last pairs the first time.
    pub fn finish(&mut self, mut pair: impl FnMut(HashPair)) -> Option<[u8; 32]> {
        if self.hashed() != self.size {
            return None;
        }
        if self.root.is_none() {
            if self.groups == 0 {
                self.root = Some(*self.group.finalize().as_bytes());
                return self.root;
            }
            let mut right = self.group.finalize_non_root();
            while let Some(left) = self.waiting.pop() {
                pair([left, right]);
                if self.waiting.is_empty() {
                    let root = hazmat::merge_subtrees_root(&left, &right, Mode::Hash);
                    self.root = Some(*root.as_bytes());
                } else {
                    right = hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash);
                }
            }
        }
        self.root
    }

    fn start_group(&mut self, groups: u64) {
        self.groups = groups;
        self.filled = 0;
        self.group = blake3::Hasher::new();
        self.group.set_input_offset(groups * GROUP);
    }

    /// A whole group, and all that it makes whole.
    fn add(&mut self, mut value: ChainingValue, pair: &mut impl FnMut(HashPair)) {
        let mut groups = self.groups + 1;
        while groups & 1 == 0 {
            let Some(left) = self.waiting.pop() else {
                break;
            };
            pair([left, value]);
            value = hazmat::merge_subtrees_non_root(&left, &value, Mode::Hash);
            groups >>= 1;
        }
        self.waiting.push(value);
    }
}

/// A part of a file: these groups, of which there are at least one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Part {
    start: u64,
    groups: u64,
}

impl Part {
    const fn whole(size: u64) -> Self {
        Self {
            start: 0,
            groups: groups(size),
        }
    }

    /// The two halves of a part of two groups or more.
    const fn halves(self) -> (Self, Self) {
        let left = 1 << (u64::BITS - 1 - (self.groups - 1).leading_zeros());
        let (start, groups) = (self.start, self.groups);
        (
            Self {
                start,
                groups: left,
            },
            Self {
                start: start + left,
                groups: groups - left,
            },
        )
    }

    const fn has(self, group: u64) -> bool {
        self.start <= group && group - self.start < self.groups
    }

    /// Where its pair stands among all that a [`Hasher`] hands out.
    const fn place(self, size: u64) -> u64 {
        if self.groups.is_power_of_two() && self.start + self.groups < groups(size) {
            return place(self.start, self.groups.trailing_zeros());
        }
        // It reaches to the end of the file. Those are handed out last, the smallest first: behind all
        // that came before its own left edge is whole, and those of its right half.
        let all = groups(size);
        // The last group waits for `finish`, so what was whole before it are all the others.
        let whole = all - 1;
        let before = pairs_until(whole);
        let mut later = 0;
        let mut part = Self {
            start: 0,
            groups: all,
        };
        while part.start != self.start || part.groups != self.groups {
            (_, part) = part.halves();
            later += 1;
        }
        let edge = whole.count_ones() as u64;
        before + edge - 1 - later
    }
}

/// Which pairs have to be sent to prove groups in order, from any group on.
#[derive(Clone, Debug)]
pub struct Parents {
    size: u64,
    next: u64,
    /// Parts whose value the other side knows, the next one last.
    known: Vec<Part>,
}

impl Parents {
    /// From this group on.
    #[must_use]
    pub fn new(size: u64, first: u64) -> Self {
        Self {
            size,
            next: first,
            known: vec![Part::whole(size)],
        }
    }

    /// The places of the pairs that go with the next group, from the top; nothing behind the last one.
    pub fn next_group(&mut self) -> Vec<u64> {
        let mut places = Vec::new();
        while let Some(part) = self.known.pop() {
            if part.groups == 1 {
                self.next += 1;
                break;
            }
            places.push(part.place(self.size));
            let (left, right) = part.halves();
            self.known.push(right);
            if left.has(self.next) {
                self.known.push(left);
            }
        }
        places
    }
}

/// Proves groups, in order, from any group on.
#[derive(Clone, Debug)]
pub struct Verifier {
    root: [u8; 32],
    size: u64,
    next: u64,
    /// Parts whose value is proven, the next one last.
    known: Vec<(Part, Expected)>,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Root,
    Value(ChainingValue),
}

/// The bytes or their proof are not those of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotProven;

impl Verifier {
    /// For a file with this hash and size, from this group on.
    #[must_use]
    pub fn new(root: [u8; 32], size: u64, first: u64) -> Self {
        Self {
            root,
            size,
            next: first,
            known: vec![(Part::whole(size), Expected::Root)],
        }
    }

    /// The place in the file of the group that comes next.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.next.saturating_mul(GROUP)
    }

    /// How many bytes that group has; nothing behind the last one.
    #[must_use]
    pub fn length(&self) -> usize {
        let rest = self.size.saturating_sub(self.offset());
        usize::try_from(rest).map_or(GROUP_BYTES, |rest| rest.min(GROUP_BYTES))
    }

    /// Whether the next group is these bytes.
    ///
    /// # Errors
    ///
    /// [`NotProven`]; then the verifier is of no use any more.
    pub fn prove(&mut self, parents: &[HashPair], bytes: &[u8]) -> Result<(), NotProven> {
        if bytes.len() != self.length() {
            return Err(NotProven);
        }
        let mut parents = parents.iter();
        while let Some((part, expected)) = self.known.pop() {
            if part.groups == 1 {
                let is_it = match expected {
                    Expected::Root => blake3::hash(bytes) == self.root,
                    Expected::Value(value) => {
                        blake3::Hash::from(group_value(bytes, part.start)) == value
                    }
                };
                if !is_it || parents.next().is_some() {
                    return Err(NotProven);
                }
                self.next += 1;
                return Ok(());
            }
            let [left, right] = parents.next().ok_or(NotProven)?;
            let is_it = match expected {
                Expected::Root => hazmat::merge_subtrees_root(left, right, Mode::Hash) == self.root,
                Expected::Value(value) => {
                    let made = hazmat::merge_subtrees_non_root(left, right, Mode::Hash);
                    blake3::Hash::from(made) == value
                }
            };
            if !is_it {
                return Err(NotProven);
            }
            let (left_part, right_part) = part.halves();
            self.known.push((right_part, Expected::Value(*right)));
            if left_part.has(self.next) {
                self.known.push((left_part, Expected::Value(*left)));
            }
        }
        Err(NotProven)
    }
}

impl std::fmt::Display for NotProven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bytes are not those of the file")
    }
}

impl std::error::Error for NotProven {}

/// The value of a group that is not the whole file.
fn group_value(bytes: &[u8], group: u64) -> ChainingValue {
    if bytes.is_empty() || bytes.len() > GROUP_BYTES {
        // There is no such group. Nothing has this value.
        return [0; 32];
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(group * GROUP);
    hasher.update(bytes);
    hasher.finalize_non_root()
}

/// Where the pair of a whole subtree stands that has 2^level groups from `start` on.
const fn place(start: u64, level: u32) -> u64 {
    let before = start + (1 << level) - 1;
    pairs_until(before) + level as u64 - 1
}

const GROUP: u64 = GROUP_BYTES as u64;

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 14] = [
        0,
        1,
        GROUP_BYTES - 1,
        GROUP_BYTES,
        GROUP_BYTES + 1,
        2 * GROUP_BYTES,
        3 * GROUP_BYTES,
        4 * GROUP_BYTES - 1,
        4 * GROUP_BYTES,
        4 * GROUP_BYTES + 1,
        7 * GROUP_BYTES + 5,
        8 * GROUP_BYTES,
        13 * GROUP_BYTES + 77,
        33 * GROUP_BYTES,
    ];

    fn file(size: usize) -> Vec<u8> {
        (0..size).map(|place| ((place / 7) ^ place) as u8).collect()
    }

    fn hash(content: &[u8], cut: usize) -> ([u8; 32], Vec<HashPair>) {
        let mut hasher = Hasher::new(content.len() as u64);
        let mut pairs = Vec::new();
        for part in content.chunks(cut) {
            hasher.update(part, |pair| pairs.push(pair));
        }
        let root = hasher.finish(|pair| pairs.push(pair)).unwrap();
        assert_eq!(hasher.finish(|_| panic!("handed out twice")), Some(root));
        (root, pairs)
    }

    fn group(content: &[u8], number: u64) -> &[u8] {
        let start = number as usize * GROUP_BYTES;
        &content[start..(start + GROUP_BYTES).min(content.len())]
    }

    #[test]
    fn the_hash_is_plain_blake3_however_the_bytes_come() {
        for size in SIZES {
            let content = file(size);
            let whole = *blake3::hash(&content).as_bytes();
            for cut in [1000, GROUP_BYTES, 100_000] {
                let (root, stored) = hash(&content, cut);
                assert_eq!(root, whole, "{size} cut into {cut}");
                assert_eq!(stored.len() as u64, pairs(size as u64));
            }
        }
    }

    #[test]
    fn every_group_is_proven_from_any_group_on() {
        for size in SIZES {
            let content = file(size);
            let (root, stored) = hash(&content, GROUP_BYTES);
            let size = size as u64;
            for first in 0..groups(size) {
                let mut parents = Parents::new(size, first);
                let mut verifier = Verifier::new(root, size, first);
                let mut sent = 0;
                for number in first..groups(size) {
                    let places = parents.next_group();
                    sent += places.len();
                    let proof: Vec<_> = places.iter().map(|at| stored[*at as usize]).collect();
                    assert_eq!(verifier.offset(), number * GROUP);
                    let outcome = verifier.prove(&proof, group(&content, number));
                    assert_eq!(outcome, Ok(()), "{size}: {number} from {first}");
                }
                assert!(first > 0 || sent == stored.len(), "each pair is sent once");
                assert!(parents.next_group().is_empty());
                assert_eq!(verifier.prove(&[], &[]), Err(NotProven));
            }
        }
    }

    #[test]
    fn nothing_else_is_proven() {
        let content = file(5 * GROUP_BYTES + 3);
        let size = content.len() as u64;
        let (root, stored) = hash(&content, GROUP_BYTES);
        let proof: Vec<HashPair> = Parents::new(size, 2)
            .next_group()
            .iter()
            .map(|at| stored[*at as usize])
            .collect();
        let prove = |root, size, proof: &[HashPair], bytes: &[u8]| {
            Verifier::new(root, size, 2).prove(proof, bytes)
        };
        let bytes = group(&content, 2);
        assert_eq!(prove(root, size, &proof, bytes), Ok(()));

        for place in [0, 1000, GROUP_BYTES - 1] {
            let mut other = bytes.to_vec();
            other[place] ^= 1;
            assert_eq!(prove(root, size, &proof, &other), Err(NotProven));
        }
        for (pair, half) in [(0, 0), (0, 1), (1, 0), (2, 1)] {
            let mut other = proof.clone();
            other[pair][half][31] ^= 1;
            assert_eq!(prove(root, size, &other, bytes), Err(NotProven));
        }
        assert_eq!(prove([0; 32], size, &proof, bytes), Err(NotProven));
        assert_eq!(prove(root, size + 1, &[], bytes), Err(NotProven));
        assert_eq!(prove(root, size, &proof[1..], bytes), Err(NotProven));
        let more = [&proof[..], &proof[..1]].concat();
        assert_eq!(prove(root, size, &more, bytes), Err(NotProven));
        assert_eq!(prove(root, size, &proof, &bytes[1..]), Err(NotProven));
        let wrong = group(&content, 3);
        assert_eq!(prove(root, size, &proof, wrong), Err(NotProven));
        // Behind the end of the file there is nothing.
        for first in [6, 1000, u64::MAX] {
            let mut verifier = Verifier::new(root, size, first);
            assert_eq!(verifier.prove(&proof, &[]), Err(NotProven));
            assert_eq!(verifier.prove(&[], &[]), Err(NotProven));
        }
    }

    #[test]
    fn hashing_goes_on_from_the_stored_pairs() {
        for size in SIZES.into_iter().filter(|size| *size > 0) {
            let content = file(size);
            let (root, stored) = hash(&content, GROUP_BYTES);
            let all = groups(size as u64);
            for done in 0..all {
                let last = match done {
                    0 => &[][..],
                    done => group(&content, done - 1),
                };
                let read = |place: u64| {
                    assert!(place < pairs_until(done));
                    Ok::<_, NotProven>(stored[place as usize])
                };
                let mut hasher = Hasher::resume(size as u64, done, last, read).unwrap();
                let mut pairs = stored[..pairs_until(done) as usize].to_vec();
                let rest = &content[done as usize * GROUP_BYTES..];
                hasher.update(rest, |pair| pairs.push(pair));
                assert_eq!(hasher.finish(|pair| pairs.push(pair)), Some(root));
                assert_eq!(pairs, stored, "{size} from {done}");
            }
        }
    }
}
