//! The commands that documents mention.

use std::{collections::BTreeSet, path::Path, process::Command};

use super::documents;

/// The subcommands that a program lists in its help.
fn listed(help: &str) -> BTreeSet<&str> {
    let commands = help
        .split_once("Commands:\n")
        .expect("a list of commands")
        .1;
    let lines = commands.lines().take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

fn help(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}: {arguments:?}",
        program.display()
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Code in a text: what stands in backquotes, and lines of code blocks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
    quoted.chain(indented).chain(text.lines())
}

/// The words after `name` in the code that begins with it, `sudo` left out.
fn mentioned<'a>(text: &'a str, name: &'a str) -> Vec<Vec<&'a str>> {
    let words = |code: &'a str| {
        code.trim_start_matches("sudo ")
            .split_whitespace()
            .collect()
    };
    let commands = code(text).filter_map(|code| {
        let words: Vec<_> = words(code);
        let name: Vec<_> = name.split(' ').collect();
        words.strip_prefix(name.as_slice()).map(<[_]>::to_vec)
    });
    commands.collect()
}

#[test]
fn every_subcommand_and_option_exists() {
    let program = Path::new(env!("CARGO_BIN_EXE_trimtab"));
    let general = help(program, &["help"]);
    let subcommands = listed(&general);
    let mut seen = 0;
    for (path, text) in documents() {
        for words in mentioned(&text, "trimtab") {
            let options = words.iter().copied().take_while(|word| *word != "--");
            let options: Vec<_> = options.filter(|word| word.starts_with("--")).collect();
            let mut plain = words.iter().filter(|word| !word.starts_with('-'));
            let Some(subcommand) = plain.next() else {
                continue;
            };
            let subcommand = subcommand.trim_end_matches([',', '.', ';', ':']);
            let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
            if subcommand == "help" || !subcommand.chars().all(is_word) {
                // clap's own, a placeholder, or a sentence that begins with the name.
                continue;
            }
            assert!(
                subcommands.contains(subcommand),
                "{}: `trimtab {}`",
                path.display(),
                words.join(" ")
            );
            let help = help(program, &[subcommand, "--help"]);
            for option in options {
                assert!(
                    help.contains(option),
                    "{}: `trimtab {subcommand} {option}`",
                    path.display()
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} commands were found");
}

#[test]
fn the_reference_has_every_subcommand() {
    let general = help(Path::new(env!("CARGO_BIN_EXE_trimtab")), &["help"]);
    let (_, text) = documents()
        .into_iter()
        .find(|(path, _)| path.ends_with("CLI.md"))
        .expect("docs/CLI.md");
    for subcommand in listed(&general) {
        let mentions = mentioned(&text, "trimtab");
        let found = mentions
            .iter()
            .any(|words| words.first() == Some(&subcommand));
        assert!(
            found || subcommand == "help",
            "`trimtab {subcommand}` is not in docs/CLI.md"
        );
    }
}
