//! Where the tests of this binary stand: one control plane for all, and a namespace, an operator and a kubelet for
//! each.

mod clusters;
mod describe;
mod install;
mod stand;
mod writes;

pub use clusters::{is_true, manifest};
pub use install::{chart as install_chart, lint as lint_chart, render as render_chart};
pub use stand::{Bed, OPERATOR, chart, control_plane};
pub use writes::{Writer, check_all_readable};
