//! Segments, fields, repetitions, components (HL7 2.5 section 2.5).

use super::{Error, MAX_BYTES, text};

const MAX_SEGMENTS: usize = 1000;
const MAX_FIELDS: usize = 200;

pub(super) struct Message {
    segments: Vec<Segment>,
}

pub(super) struct Segment {
    name: String,
    /// From the first on; MSH-1 is the separator itself.
    fields: Vec<String>,
    marks: Marks,
}

#[derive(Clone, Copy)]
struct Marks {
    field: char,
    component: char,
    repetition: char,
    escape: char,
    subcomponent: char,
}

impl Message {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if MAX_BYTES < bytes.len() {
            return Err(Error::TooLong);
        }
        let text = text::decode(bytes)?;
        let marks = marks(&text).ok_or(Error::NoHeader)?;
        let mut segments = Vec::new();
        for line in text.split(['\r', '\n']).filter(|line| !line.trim().is_empty()) {
            if MAX_SEGMENTS <= segments.len() {
                return Err(Error::TooMany);
            }
            segments.push(Segment::parse(line, marks)?);
        }
        if 1 < segments.iter().filter(|segment| segment.name == "MSH").count() {
            return Err(Error::SeveralMessages);
        }
        Ok(Self { segments })
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(super) fn first(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.name == name)
    }
}

fn marks(text: &str) -> Option<Marks> {
    let mut marks = text.strip_prefix("MSH")?.chars();
    let (field, component, repetition) = (marks.next()?, marks.next()?, marks.next()?);
    let (escape, subcomponent) = (marks.next()?, marks.next()?);
    let all = [field, component, repetition, escape, subcomponent];
    let distinct = all
        .iter()
        .enumerate()
        .all(|(at, mark)| mark.is_ascii_punctuation() && !all.iter().skip(at + 1).any(|other| other == mark));
    distinct.then_some(Marks {
        field,
        component,
        repetition,
        escape,
        subcomponent,
    })
}

impl Segment {
    fn parse(line: &str, marks: Marks) -> Result<Self, Error> {
        let mut parts = line.split(marks.field);
        let name = parts.next().unwrap_or_default().trim().to_owned();
        let mut fields: Vec<String> = Vec::new();
        if name == "MSH" {
            fields.push(marks.field.to_string());
        }
        for part in parts {
            if MAX_FIELDS <= fields.len() {
                return Err(Error::TooMany);
            }
            fields.push(part.to_owned());
        }
        Ok(Self { name, fields, marks })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn raw(&self, field: usize) -> &str {
        let found = field.checked_sub(1).and_then(|at| self.fields.get(at));
        // `""` says: delete what you have.
        found
            .map(String::as_str)
            .filter(|text| *text != "\"\"")
            .unwrap_or_default()
    }

    /// A component of a field's first repetition, both counted from 1; empty where there is none.
    pub(super) fn component(&self, field: usize, component: usize) -> String {
        let first = self
            .raw(field)
            .split(self.marks.repetition)
            .next()
            .unwrap_or_default();
        self.part_of(first, component)
    }

    /// A field's repetitions, each as its components.
    pub(super) fn repetitions(&self, field: usize) -> Vec<Vec<String>> {
        let repetitions = self
            .raw(field)
            .split(self.marks.repetition)
            .filter(|text| !text.is_empty());
        repetitions
            .map(|repetition| {
                let parts = repetition.split(self.marks.component);
                parts.map(|part| self.first_subcomponent(part)).collect()
            })
            .collect()
    }

    fn part_of(&self, repetition: &str, component: usize) -> String {
        let parts = repetition
            .split(self.marks.component)
            .nth(component.saturating_sub(1));
        parts
            .map(|part| self.first_subcomponent(part))
            .unwrap_or_default()
    }

    fn first_subcomponent(&self, component: &str) -> String {
        let first = component
            .split(self.marks.subcomponent)
            .next()
            .unwrap_or_default();
        self.unescaped(first)
    }

    /// HL7 2.5 section 2.7: separators and line breaks; highlighting and foreign sequences are left out.
    fn unescaped(&self, text: &str) -> String {
        let mut plain = String::with_capacity(text.len());
        let mut parts = text.split(self.marks.escape);
        plain.push_str(parts.next().unwrap_or_default());
        let mut parts = parts.peekable();
        while let Some(sequence) = parts.next() {
            // An escape mark that nothing closes is a character like others.
            if parts.peek().is_none() {
                plain.push(self.marks.escape);
                plain.push_str(sequence);
                break;
            }
            match sequence {
                "F" => plain.push(self.marks.field),
                "S" => plain.push(self.marks.component),
                "R" => plain.push(self.marks.repetition),
                "E" => plain.push(self.marks.escape),
                "T" => plain.push(self.marks.subcomponent),
                _ if sequence.starts_with('.') => plain.push(' '),
                _ => {}
            }
            plain.push_str(parts.next().unwrap_or_default());
        }
        let kept: String = plain.chars().filter(|c| !c.is_control()).collect();
        kept.trim().to_owned()
    }
}
