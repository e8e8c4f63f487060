//! What a configuration promises.
//!
//! Owns: the tests of layers, origins, rules and texts.
//! Never does: read the real environment.

use super::*;

fn given(key: &str, text: &str) -> Given {
    Given { flag: "--set".to_owned(), key: key.to_owned(), text: text.to_owned() }
}

fn variable(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

/// Resolves with this file in a directory of its own, and no other environment.
fn with_file(toml: &str, flags: &[Given], environment: &[(String, String)]) -> Result<Resolved, ConfigError> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(FILE);
    std::fs::write(&path, toml).expect("written");
    resolve(flags, environment, Some(&path))
}

#[test]
fn flags_count_over_environment_over_file_over_defaults() {
    let toml = "[router]\nlink_budget = 100\nleaf_set_per_side = 9\ncontacts_per_slot = 5\ndetours = false\n";
    let environment = [variable("ARRAS_ROUTER_LINK_BUDGET", "200"), variable("ARRAS_ROUTER_LEAF_SET_PER_SIDE", "10")];
    let resolved = with_file(toml, &[given("router.link_budget", "300")], &environment).expect("resolves");
    let router = &resolved.config.router;
    assert_eq!((router.link_budget, router.leaf_set_per_side, router.contacts_per_slot), (300, 10, 5));
    assert!(!router.detours);
    assert_eq!(resolved.config.forwarder, forwarder::Tuning::default());
    assert_eq!(resolved.origins["router.link_budget"].to_string(), "flag --set");
    assert_eq!(resolved.origins["router.leaf_set_per_side"].to_string(), "environment ARRAS_ROUTER_LEAF_SET_PER_SIDE");
    assert!(matches!(resolved.origins["router.contacts_per_slot"], Origin::File { line: 4, .. }));
    assert!(!resolved.origins.contains_key("forwarder.patience"));
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_key() {
    let error = with_file("[router]\n\nlink_buget = 3\n", &[], &[]).expect_err("unknown").0;
    assert!(
        error.ends_with("arras.toml:3: there is no key router.link_buget; did you mean router.link_budget?"),
        "{error}"
    );
    let error = with_file("zzz = 1\n", &[], &[]).expect_err("unknown").0;
    assert!(error.contains(":1: there is no key zzz; `arras config init --all`"), "{error}");
    let error = resolve(&[given("api.lisen", "x")], &[], None).expect_err("unknown").0;
    assert_eq!(error, "--set: there is no key api.lisen; did you mean api.listen?");
}

#[test]
fn a_value_of_the_wrong_kind_says_what_was_expected() {
    for (toml, expected) in [
        ("[router]\nlink_budget = \"many\"\n", ":2: router.link_budget is a whole number"),
        ("[forwarder]\npatience = 3\n", ":2: forwarder.patience is a string such as"),
        ("[forwarder]\npatience = \"3 parsecs\"\n", "it is a number with a unit"),
        ("[overlay]\nseeds = \"127.0.0.1:1\"\n", ":2: overlay.seeds is an array of strings"),
        ("[overlay]\nlisten = \"localhost\"\n", "overlay.listen cannot be \"localhost\""),
        ("[router]\ndetours = \"no\"\n", ":2: router.detours is true or false"),
        ("[node]\nrole = \"boss\"\n", "it is server or client"),
        ("[node\n", ":1: "),
    ] {
        let error = with_file(toml, &[], &[]).expect_err(toml).0;
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn keys_that_do_not_fit_together_are_refused_with_their_origin() {
    let error = with_file("[router]\nlink_budget = 10\n", &[], &[]).expect_err("too small").0;
    assert!(error.starts_with("router.link_budget: is 10, but the leaf set alone needs 32"), "{error}");
    assert!(error.ends_with("arras.toml:2)"), "{error}");
    let refused = |key: &str, text: &str| resolve(&[given(key, text)], &[], None).expect_err(key).0;
    assert!(refused("api.listen", "0.0.0.0:7421").contains("set api.token"));
    assert!(refused("overlay.listen", "0.0.0.0:7420").contains("overlay.advertise"));
    assert!(refused("overlay.scope", "public").contains("127.0.0.1:7420 is not an address of the Internet"));
    assert!(refused("directory.replicas", "17").contains("1 to 16"));
    assert!(refused("router.leaf_set_interval_max", "1s").contains("router.leaf_set_interval_min"));
    let soft = resolve(&[given("router.probe_after", "40min")], &[], None).expect("only odd");
    assert_eq!(soft.warnings.len(), 1);
}

#[test]
fn the_written_file_reads_back_as_the_same_configuration() {
    let mut config = Config::new("/var/lib/arras".into());
    config.router.link_budget = 99;
    config.overlay.seeds = vec!["127.0.0.1:7420".parse().expect("an address"), "[::1]:7".parse().expect("one")];
    config.directory.quota_bytes = 3 << 20;
    config.node.log = "info,\"quoted\"".to_owned();
    let everything: String = init_text(&config, true)
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            // Take the defaults as well.
            Some(rest) if rest.split(" = ").next().is_some_and(|word| !word.contains(' ')) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let back = with_file(&everything, &[], &[]).expect(&everything);
    assert_eq!(back.config, config);
    assert_eq!(back.origins.len(), KEYS.len());
    assert!(init_text(&config, false).lines().count() < init_text(&config, true).lines().count());
}

#[test]
fn the_token_is_never_shown() {
    let resolved = resolve(&[given("api.token", "secret")], &[], None).expect("resolves");
    let shown = show_text(&resolved, true);
    assert!(!shown.contains("secret") && shown.contains("# flag --set"), "{shown}");
}

#[test]
fn the_data_directory_follows_home_xdg_and_the_flag() {
    let dir = |environment: &[(String, String)], flags: &[Given]| {
        resolve(flags, environment, None).expect("resolves").config.node.data_dir
    };
    let all = [variable("HOME", "/h"), variable("XDG_DATA_HOME", "/x"), variable("ARRAS_HOME", "/a")];
    assert_eq!(dir(&all[..1], &[]), Path::new("/h/.arras"));
    assert_eq!(dir(&all[..2], &[]), Path::new("/x/arras"));
    assert_eq!(dir(&all, &[]), Path::new("/a"));
    assert_eq!(dir(&all, &[given("node.data_dir", "/f")]), Path::new("/f"));
}

#[test]
fn names_and_variables_of_keys_are_unique_and_defaults_pass_their_own_check() {
    let names: std::collections::BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
    let variables: std::collections::BTreeSet<_> = KEYS.iter().map(Key::variable).collect();
    assert_eq!((names.len(), variables.len()), (KEYS.len(), KEYS.len()));
    let config = Config::new("/d".into());
    assert_eq!(check(&config), vec![]);
    for key in KEYS {
        let mut copy = config.clone();
        (key.set)(&mut copy, &(key.show)(&config)).expect(key.name);
        assert_eq!(copy, config, "{}", key.name);
    }
}
