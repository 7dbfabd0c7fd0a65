//! A window on a text that streams past: white space, numbers and strings of JSON.
//!
//! **Invariant:** `at <= end <= buffer.len()`, and `offset` is the place of `buffer[0]` in the text.

use crate::{Error, ReadError};
use std::io::{ErrorKind, Read};

/// Bytes read at a time.
const WINDOW: usize = 1 << 20;
/// More than any number, with its separators, takes.
const LOOKAHEAD: usize = 64;
/// Fields of a row.
pub(crate) const MOST_FIELDS: usize = 16;
/// Digits of a number: `u64` holds all numbers of so many.
const MOST_DIGITS: usize = 19;
/// Nesting of a value that is skipped or collected.
const DEEPEST: u32 = 64;

/// Asked after each window with the bytes read so far; `false` cancels.
pub type Progress<'a> = &'a mut dyn FnMut(u64) -> bool;

pub(crate) struct Source<'a> {
    input: &'a mut dyn Read,
    progress: Progress<'a>,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    offset: u64,
    ended: bool,
}

impl<'a> Source<'a> {
    pub(crate) fn new(input: &'a mut dyn Read, progress: Progress<'a>) -> Self {
        Self { input, progress, buffer: vec![0; WINDOW], at: 0, end: 0, offset: 0, ended: false }
    }

    /// Bytes of the text before the next one.
    pub(crate) fn position(&self) -> u64 {
        self.offset + self.at as u64
    }

    fn window(&self) -> &[u8] {
        self.buffer.get(self.at..self.end).unwrap_or(&[])
    }

    /// Reads on; afterwards the window holds [`LOOKAHEAD`] bytes, or the text has ended.
    fn refill(&mut self) -> Result<(), ReadError> {
        if self.ended {
            return Ok(());
        }
        self.buffer.copy_within(self.at..self.end, 0);
        self.offset += self.at as u64;
        self.end -= self.at;
        self.at = 0;
        // A pipe gives 64 kB at most: fill the window, so that the progress is not asked more often than need be.
        while let Some(room) = self.buffer.get_mut(self.end..).filter(|room| !room.is_empty()) {
            match self.input.read(room) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.end = (self.end + read).min(self.buffer.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Input(error)),
            }
        }
        if (self.progress)(self.offset + self.end as u64) { Ok(()) } else { Err(ReadError::Cancelled) }
    }

    /// What stands next, in an error.
    pub(crate) fn wrong(&self, expected: &'static str) -> ReadError {
        let found = match self.window().first() {
            Some(byte) => char::from(*byte).escape_default().to_string(),
            None => "the end".to_owned(),
        };
        Error { offset: self.position(), expected, found }.into()
    }

    /// The next byte that is no white space; not taken.
    pub(crate) fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            let blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
            if let Some(skip) = self.window().iter().position(|byte| !blank(byte)) {
                self.at += skip;
                return Ok(self.window().first().copied());
            }
            self.at = self.end;
            if self.ended {
                return Ok(None);
            }
            self.refill()?;
        }
    }

    /// Takes `byte`, or says what should have been there.
    pub(crate) fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), ReadError> {
        if self.peek()? != Some(byte) {
            return Err(self.wrong(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// After a value in an object or array: `true` for a comma, `false` for `close`.
    pub(crate) fn goes_on(&mut self, close: u8, expected: &'static str) -> Result<bool, ReadError> {
        match self.peek()? {
            Some(b',') => self.at += 1,
            Some(byte) if byte == close => {
                self.at += 1;
                return Ok(false);
            }
            _ => return Err(self.wrong(expected)),
        }
        Ok(true)
    }

    /// Only white space is left.
    pub(crate) fn finish(&mut self) -> Result<(), ReadError> {
        if self.peek()?.is_some() { Err(self.wrong("nothing after the heap snapshot")) } else { Ok(()) }
    }

    /// An array of numbers, `fields` at a time. Returns whether its last row was whole.
    pub(crate) fn rows(
        &mut self,
        fields: usize,
        mut row: impl FnMut(&[u64]) -> Result<(), ReadError>,
    ) -> Result<bool, ReadError> {
        self.take(b'[', "an array of numbers")?;
        if self.peek()? == Some(b']') {
            self.at += 1;
            return Ok(true);
        }
        let mut values = [0; MOST_FIELDS];
        let mut filled = 0;
        let mut wants_number = true;
        loop {
            // Window by window, with what is left of it in a register.
            if self.end - self.at < LOOKAHEAD {
                self.refill()?;
            }
            let least = if self.ended { 1 } else { LOOKAHEAD };
            let mut rest = self.buffer.get(self.at..self.end).unwrap_or(&[]);
            let outcome = loop {
                if rest.len() < least {
                    break Next::Window;
                }
                if wants_number {
                    let Some((value, after)) = number(rest) else { break Next::Odd };
                    wants_number = false;
                    rest = after;
                    if let Some(place) = values.get_mut(filled) {
                        *place = value;
                    }
                    filled += 1;
                    if filled == fields {
                        filled = 0;
                        if let Err(error) = row(values.get(..fields).unwrap_or(&[])) {
                            break Next::Failed(error);
                        }
                    }
                }
                // V8 writes `1,2\n,3`: at most one line feed before a comma. Anything else goes the long way.
                rest = match rest {
                    [b',', after @ ..] | [b'\n', b',', after @ ..] => after,
                    _ => break Next::Odd,
                };
                wants_number = true;
            };
            self.at = self.end - rest.len();
            match outcome {
                Next::Failed(error) => return Err(error),
                Next::Window if self.ended => return Err(self.wrong("the rest of an array of numbers")),
                Next::Window => {}
                Next::Odd => match self.peek()? {
                    Some(b'0'..=b'9') if wants_number && number(self.window()).is_some() => {}
                    Some(b',') if !wants_number => {
                        self.at += 1;
                        wants_number = true;
                    }
                    Some(b']') if !wants_number => {
                        self.at += 1;
                        return Ok(filled == 0);
                    }
                    _ if wants_number => return Err(self.wrong("a number of at most 19 digits")),
                    _ => return Err(self.wrong("`,` or `]`")),
                },
            }
        }
    }

    /// A string's text, unescaped, onto `text`, of which at most `most` bytes are kept.
    pub(crate) fn string(&mut self, text: &mut Vec<u8>, most: usize) -> Result<(), ReadError> {
        self.take(b'"', "a string")?;
        let start = text.len();
        loop {
            let window = self.buffer.get(self.at..self.end).unwrap_or(&[]);
            let Some(plain) = memchr::memchr2(b'"', b'\\', window) else {
                keep(text, start, most, window);
                self.at = self.end;
                if self.ended {
                    return Err(self.wrong("the end of a string"));
                }
                self.refill()?;
                continue;
            };
            keep(text, start, most, window.get(..plain).unwrap_or(&[]));
            let quote = window.get(plain) == Some(&b'"');
            self.at += plain + 1;
            if quote {
                return Ok(());
            }
            let letter = self.escape()?;
            keep(text, start, most, letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// The rest of an escape, after its backslash. Half a surrogate pair becomes U+FFFD.
    fn escape(&mut self) -> Result<char, ReadError> {
        if self.end - self.at < LOOKAHEAD {
            self.refill()?;
        }
        let letter = match self.window().first() {
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'u') => return self.unicode(),
            _ => return Err(self.wrong("an escape in a string")),
        };
        self.at += 1;
        Ok(letter)
    }

    fn unicode(&mut self) -> Result<char, ReadError> {
        let Some(first) = hexadecimal(self.window().get(1..5)) else {
            return Err(self.wrong("an escape in a string"));
        };
        self.at += 5;
        if (0xd800..0xdc00).contains(&first)
            && self.window().starts_with(b"\\u")
            && let Some(second) = hexadecimal(self.window().get(2..6))
            && (0xdc00..0xe000).contains(&second)
        {
            self.at += 6;
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Takes a value of any kind, its text of which at most `most` bytes are kept in `text`.
    pub(crate) fn value(&mut self, text: &mut Vec<u8>, most: usize) -> Result<(), ReadError> {
        let mut depth = 0_u32;
        loop {
            let Some(byte) = self.peek()? else { return Err(self.wrong("a value")) };
            match byte {
                b'"' => {
                    let mut string = Vec::new();
                    self.string(&mut string, most)?;
                    let string = String::from_utf8_lossy(&string);
                    keep(text, 0, most, serde_json::Value::from(string).to_string().as_bytes());
                }
                b'{' | b'[' => {
                    depth += 1;
                    if depth > DEEPEST {
                        return Err(self.wrong("less nesting"));
                    }
                    self.pass(text, most);
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.pass(text, most);
                }
                b',' | b':' if depth > 0 => self.pass(text, most),
                b'0'..=b'9' | b'-' | b'+' | b'.' | b'a'..=b'z' | b'E' => {
                    while matches!(
                        self.window().first(),
                        Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'a'..=b'z' | b'E')
                    ) {
                        self.pass(text, most);
                        if self.window().is_empty() {
                            self.refill()?;
                        }
                    }
                }
                _ => return Err(self.wrong("a value")),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn pass(&mut self, text: &mut Vec<u8>, most: usize) {
        keep(text, 0, most, self.window().get(..1).unwrap_or(&[]));
        self.at += 1;
    }
}

enum Next {
    Window,
    Odd,
    Failed(ReadError),
}

/// The number that `text` begins with, and what comes after it.
#[inline]
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = text;
    let mut value: u64 = 0;
    while let [byte, after @ ..] = rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        rest = after;
    }
    let digits = text.len() - rest.len();
    (digits.wrapping_sub(1) < MOST_DIGITS).then_some((value, rest))
}

fn keep(text: &mut Vec<u8>, start: usize, most: usize, more: &[u8]) {
    let room = most.saturating_sub(text.len() - start);
    text.extend_from_slice(more.get(..room).unwrap_or(more));
}

fn hexadecimal(digits: Option<&[u8]>) -> Option<u32> {
    let digits = digits?;
    digits.iter().try_fold(0, |value, byte| Some(value * 16 + char::from(*byte).to_digit(16)?))
}
