//! What a document says that it is.

use crate::declare::names;
use crate::error::Fault;
use crate::read::Fields;
use crate::reader::one_of;

/// The version of the format, the value of the field `alertable`.
pub const FORMAT_VERSION: u32 = 1;

names! {
    /// The kinds of documents.
    pub enum DocumentKind: "kind of document" {
        /// What exists, what each thread does, and what must come of it.
        Scenario = "scenario",
        /// What came of one run, or of several that cannot be told apart.
        Outcome = "outcome",
        /// What a real system did, one document a line.
        Observation = "observation",
        /// What happened, one event a line.
        Trace = "trace",
    }
}

/// Reads the fields that say what a document is.
pub(crate) fn read_kind(fields: Fields<'_, '_>) -> Result<DocumentKind, Fault> {
    let Some(version) = fields.get("alertable") else {
        let help = "a document begins with \"alertable\": 1, \"kind\": …".to_owned();
        return Err(fields.missing("alertable").with_help(Some(help)));
    };
    if version.whole(i128::MIN, i128::MAX)? != FORMAT_VERSION.into() {
        let message = format!("this is not version {FORMAT_VERSION} of the format");
        return Err(Fault::new(version.span, message));
    }
    let name = one_of(fields.require("kind")?, "kind of document", DocumentKind::NAMES)?;
    Ok(match name {
        "scenario" => DocumentKind::Scenario,
        "outcome" => DocumentKind::Outcome,
        "observation" => DocumentKind::Observation,
        _ => DocumentKind::Trace,
    })
}

/// Refuses a document of another version or kind.
pub(crate) fn check_kind(fields: Fields<'_, '_>, wanted: DocumentKind) -> Result<(), Fault> {
    let kind = read_kind(fields)?;
    if kind == wanted {
        return Ok(());
    }
    let message = format!("expected the kind \"{wanted}\", found \"{kind}\"");
    Err(Fault::new(fields.require("kind")?.span, message))
}
