//! What the command line says otherwise than a scenario file.
//!
//! Owns: the names of such flags with their values, as they are typed.
//! Never does: merge options (`options.rs` does).

use super::options::Options;
use serde_json::{Value, json};

/// The flags that say something else than a run of the file, which makes it another run: `--nodes 3000`. Not those that
/// draw it again or keep a survey of it.
pub fn over_file(flags: &Options, file: &Options) -> Vec<String> {
    let (flags, file) = (json!(flags), json!(file));
    let groups = flags.as_object().into_iter().flatten().filter(|(group, _)| *group != "survey");
    let each = |(group, of): (&String, &Value)| -> Vec<String> {
        let given = of.as_object().into_iter().flatten();
        let other = given.filter(|(name, value)| !value.is_null() && file[group][name.as_str()] != **value);
        let other = other.filter(|(name, _)| !AGAIN.contains(&name.as_str()));
        other.map(|(name, value)| format!("--{name} {}", typed(value))).collect()
    };
    groups.flat_map(each).collect()
}

fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// Options that draw the same set-up again.
const AGAIN: [&str; 2] = ["seed", "seeds"];

#[cfg(test)]
mod tests {
    use super::super::options::Build;
    use super::*;

    #[test]
    fn flags_are_named_where_they_make_another_run() {
        let (mut flags, mut file) = (Options::default(), Options::default());
        (flags.network.nodes, file.network.nodes) = (Some(3000), Some(65_536));
        (flags.network.seed, flags.network.seeds, flags.survey.dir) = (Some(2), Some(5), Some("x".into()));
        (flags.tables.build, file.tables.build) = (Some(Build::Direct), Some(Build::Direct));
        (flags.tables.slot_bits, file.tables.slot_bits) = (None, Some(2));
        (flags.churn.session_min, flags.lookups.learning) = (Some(60.0), Some(false));
        let mut found = over_file(&flags, &file);
        found.sort();
        assert_eq!(found, ["--learning false", "--nodes 3000", "--session-min 60"]);
        assert!(over_file(&Options::default(), &file).is_empty());
    }
}
