//! What the plugins `left` and `right` have in common: both touch every container and process,
//! agree on some things, and contradict each other on resources with the label `contested=yes`.

/// Runs the pass `meddle`.
pub(crate) fn meddle(side: &str, model: &aspire_sdk::Model, edits: &mut aspire_sdk::Edits) {
    for name in model.select("") {
        if !matches!(model.shape_name(&name).as_str(), "container" | "executable") {
            continue;
        }
        let contested = model.select("label.contested=yes").contains(&name);
        edits
            .edit(&name)
            .label(format!("touched-by-{side}"), "yes")
            .env(
                format!("FROM_{}", side.to_uppercase()),
                format!("{side} was here"),
            )
            .env("AGREED", "both say so")
            .when(contested, |resource| resource.env("MODE", side));
    }
}
