//! Conversations as text.
//!
//! Owns: reading the scripts in `conversations/`, playing them on a stage, and comparing what was said
//! with what they expect. `ACCEPT=1` writes down what was said instead; the review reads the diff.
//! Never does: decide what is right: the scripts do, and whoever reads them.
//!
//! A script is a list of cases: commands, a line `----`, and the lines expected, up to an empty line.
//! `#` begins a comment.

#[path = "conversations/player.rs"]
mod player;

use player::Player;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_conversation_goes_as_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/conversations");
    let scripts = scripts(&folder);
    assert!(!scripts.is_empty(), "no scripts in {}", folder.display());
    let accept = std::env::var_os("ACCEPT").is_some();
    let mut differing = Vec::new();
    for path in scripts {
        let written = fs::read_to_string(&path).expect("a script is UTF-8");
        let played = play(&written);
        if played == written {
            continue;
        }
        if accept {
            fs::write(&path, played).expect("the script can be written");
        } else {
            differing.push(format!("{}:\n{}", path.display(), difference(&written, &played)));
        }
    }
    assert!(differing.is_empty(), "conversations differ (ACCEPT=1 takes what was said):\n{}", differing.join("\n"));
}

#[test]
fn a_script_keeps_its_comments_and_says_what_it_does_not_understand() {
    let script = "# a comment\nseed 3\nfly to the moon\n----\n\n# the end\n";
    let played = play(script);
    assert!(played.starts_with("# a comment\nseed 3\nfly to the moon\n----\n? fly to the moon: "), "{played}");
    assert!(played.ends_with("\n\n# the end\n"), "{played}");
}

/// The script with what is said now in place of what was expected.
fn play(script: &str) -> String {
    let mut player = Player::new();
    let mut played = String::new();
    let mut commands = Vec::new();
    let mut within_expectation = false;
    for line in script.lines() {
        if within_expectation {
            if !line.is_empty() {
                continue;
            }
            within_expectation = false;
        }
        played.push_str(line);
        played.push('\n');
        match line.trim() {
            "----" => {
                for said in player.play(&commands) {
                    played.push_str(&said);
                    played.push('\n');
                }
                commands.clear();
                within_expectation = true;
            }
            "" => {}
            comment if comment.starts_with('#') => {}
            command => commands.push(command.to_owned()),
        }
    }
    played
}

/// The first lines that differ, with a little before them.
fn difference(written: &str, played: &str) -> String {
    let (written, played): (Vec<&str>, Vec<&str>) = (written.lines().collect(), played.lines().collect());
    let same = written.iter().zip(&played).take_while(|(a, b)| a == b).count();
    let show = |lines: &[&str], mark: &str| -> String {
        lines.iter().skip(same).take(SHOWN).map(|line| format!("{mark} {line}\n")).collect()
    };
    let before: String = written[same.saturating_sub(3)..same].iter().map(|line| format!("  {line}\n")).collect();
    format!("line {}:\n{before}{}{}", same + 1, show(&written, "-"), show(&played, "+"))
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder of scripts is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths
}

/// Differing lines shown of each side.
const SHOWN: usize = 12;
