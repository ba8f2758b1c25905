//! What one immutable tag is, if everything were done at once and one after the
//! other: what the answers that clients get are compared with.

use stateright::semantics::SequentialSpec;

/// Which of the contents of a run.
pub type Content = usize;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tag {
    Free,
    /// Means a content, which is there.
    Sealed(Content),
    /// Means a content, which a delete has taken away that has not come to its end.
    Gone(Content),
    Burnt(Content),
}

/// The delete of a manifest is not one step, since a registry and a ledger cannot
/// change in one: it takes the content away, and then burns the tags that mean it, at
/// some moment of its time each; or it is refused, and has put the content back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Push(Content),
    Pull,
    TakeAway(Content),
    PutBack(Content),
    Burn(Content),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ret {
    Accepted,
    /// The tag means other bytes.
    Refused(Content),
    /// It was pushed before, or is being deleted; nothing more is said.
    RefusedUnnamed,
    RefusedBurnt,
    Pulled(Content),
    NotFound,
    Done,
}

impl SequentialSpec for Tag {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        match (*op, *self) {
            (Op::Push(pushed), Self::Free) => {
                *self = Self::Sealed(pushed);
                Ret::Accepted
            }
            (Op::Push(pushed), Self::Sealed(means) | Self::Gone(means)) if pushed == means => {
                *self = Self::Sealed(means);
                Ret::Accepted
            }
            (Op::Push(_), Self::Sealed(means) | Self::Gone(means)) => Ret::Refused(means),
            (Op::Push(_), Self::Burnt(_)) => Ret::RefusedBurnt,
            (Op::Pull, Self::Sealed(means)) => Ret::Pulled(means),
            (Op::Pull, Self::Free | Self::Gone(_) | Self::Burnt(_)) => Ret::NotFound,
            (Op::TakeAway(deleted), Self::Sealed(means)) if deleted == means => {
                *self = Self::Gone(means);
                Ret::Done
            }
            (Op::PutBack(deleted), Self::Gone(means)) if deleted == means => {
                *self = Self::Sealed(means);
                Ret::Done
            }
            (Op::Burn(deleted), Self::Sealed(means) | Self::Gone(means)) if deleted == means => {
                *self = Self::Burnt(means);
                Ret::Done
            }
            (Op::TakeAway(_) | Op::PutBack(_) | Op::Burn(_), _) => Ret::Done,
        }
    }

    fn is_valid_step(&mut self, op: &Op, ret: &Ret) -> bool {
        // A refusal names the digest only to whom the registry shows it.
        let unnamed = *ret == Ret::RefusedUnnamed;
        match self.invoke(op) {
            Ret::Refused(_) if unnamed => true,
            other => other == *ret,
        }
    }
}
