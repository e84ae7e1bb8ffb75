//! Beginning anew from one survivor's disk, after a majority of the voters was lost.
//!
//! 1. The guard decides, on the running member.
//! 2. The core stops and the log is closed: what it holds then is what is kept, all of it.
//! 3. A note of the decision is put in place by one rename. Before it nothing was done; after it all of it will be.
//! 4. The next start carries out what the note says before anything else: two entries at the end of the log (one that
//!    tells the machine of the new incarnation, one with this member as the only one), the incarnation in the identity,
//!    and the end of the note. Doing a part of it again changes nothing.
//!
//! The only voter then elects itself, and everything in its log is committed. All streams of the life before have ended
//! with it, so nothing of an older incarnation is heard of again.

mod carry_out;
mod guard;
mod note;

pub use carry_out::carry_out;
pub use guard::{Asked, Seen, check};
pub use note::Note;
