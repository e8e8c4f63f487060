//! For what a value is kept, and how long.
//!
//! Owns: the two reasons, replica and published, and the arithmetic of their ends.
//! Never does: know which clock the moments are of.

/// For what a value is kept, and how long: moments, or spans from now. Kept for nothing, it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms<T> {
    /// As one of its replica set.
    pub replica: Option<T>,
    /// As one that this node published, and holds for others.
    pub published: Option<T>,
}

impl<T: Copy + Ord> Terms<T> {
    /// As one of its replica set only.
    pub fn replica(until: T) -> Terms<T> {
        Terms { replica: Some(until), published: None }
    }

    /// As one that was published here only.
    pub fn published(until: T) -> Terms<T> {
        Terms { replica: None, published: Some(until) }
    }

    /// These, and for what they are not what the others are.
    pub fn or(self, other: Terms<T>) -> Terms<T> {
        Terms { replica: self.replica.or(other.replica), published: self.published.or(other.published) }
    }

    /// What is not over at this moment.
    pub fn running(self, now: T) -> Terms<T> {
        let running = |until: &T| *until > now;
        Terms { replica: self.replica.filter(running), published: self.published.filter(running) }
    }

    /// Whether any of it is not over at this moment.
    pub fn is_running(&self, now: T) -> bool {
        self.end() > Some(now)
    }

    /// When all of it is over; `None` if it is for nothing.
    pub fn end(&self) -> Option<T> {
        self.replica.max(self.published)
    }

    /// When the first of it is over.
    pub fn first_end(&self) -> Option<T> {
        [self.replica, self.published].into_iter().flatten().min()
    }

    /// The same in another measure.
    pub fn map<U>(self, measure: impl Fn(T) -> U) -> Terms<U> {
        Terms { replica: self.replica.map(&measure), published: self.published.map(&measure) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_reason_keeps_it_and_the_first_end_is_the_next_to_look_at() {
        let terms = Terms { replica: Some(5), published: Some(9) };
        assert_eq!((terms.first_end(), terms.end()), (Some(5), Some(9)));
        assert_eq!(terms.running(5), Terms::published(9));
        assert_eq!(terms.running(9).end(), None);
        assert!(terms.is_running(8) && !terms.is_running(9));
        assert_eq!(Terms::replica(7).or(terms), Terms { replica: Some(7), published: Some(9) });
        assert_eq!(Terms::published(1).map(|at| at + 1), Terms::published(2));
    }
}
