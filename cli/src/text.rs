//! Foreign text for a terminal: control characters are shown as �, and what is too long for a line is cut.
//!
//! Names come from files that nobody vouches for. One of them could move the cursor, forge a line, or fill the screen.

/// Characters of a name, or of anything else without a space.
const LONGEST_WORD: usize = 200;
/// Characters of a message.
const LONGEST_LINE: usize = 4000;

fn shown(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
}

/// Text of several lines that are meant: line ends and tabs stay.
pub fn block(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { shown(c) }).collect()
}

/// Text that is one line, such as a name: line ends are shown as other control characters are.
pub fn line(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// A message as one line, with what is too long in it cut in its middle.
pub fn message(text: &str) -> String {
    // Words stand in columns by more than one space: an empty word is kept.
    let words: Vec<String> = line(text).split(' ').map(|word| cut(word, LONGEST_WORD)).collect();
    cut(&words.join(" "), LONGEST_LINE)
}

/// At most so many characters: the beginning, which says what it is, and the end, where names differ.
pub fn cut(text: &str, most: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    if all.len() <= most || most == 0 {
        return text.to_owned();
    }
    let tail = (most - 1) / 3;
    let head = most - 1 - tail;
    all[..head].iter().chain(&['…']).chain(&all[all.len() - tail..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor_or_forge_a_line() {
        assert_eq!(block("a\u{1b}[2Jb\r\u{7}\tc\nd\u{9b}1m"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}\tc\nd\u{fffd}1m");
        assert_eq!(line("a\nb\tc"), "a\u{fffd}b\u{fffd}c");
    }

    #[test]
    fn a_long_name_is_cut_in_its_middle_and_the_rest_of_the_message_stays() {
        let said = message(&format!("expected a tensor, found 'a\nb{}z' here", "x".repeat(5000)));
        assert!(said.starts_with("expected a tensor, found 'a\u{fffd}bxx") && said.ends_with("xxz' here"), "{said}");
        assert!(said.contains('…') && said.chars().count() < 250, "{}", said.chars().count());
        assert_eq!(message(&"many words ".repeat(2000)).chars().count(), LONGEST_LINE);
        assert_eq!((cut("short", 5), cut("longer", 5)), ("short".into(), "lon…r".into()));
    }
}
