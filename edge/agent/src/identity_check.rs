//! Whether a text that somebody typed names the patient it is about. What goes to the hub must not: the clinic is told what
//! to take out, nothing is masked silently.
//!
//! Pure. A text and the words of a patient are compared without spaces, punctuation, accents and differences of width and
//! case. It finds the patient's own words and what looks like a telephone or identity number, not every hint.

use barefoot_domain::CaseId;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::case_log::PatientText;

/// What kind of thing must be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Names {
    Name,
    PatientId,
    BirthDate,
    Accession,
    /// As of a telephone or an identity card.
    LongNumber,
}

/// Digits in a row that are no measurement any more.
const LONG_NUMBER: usize = 7;
/// The same in groups, as telephone numbers are written.
const LONG_GROUPED: usize = 10;
/// Shorter ids stand for nobody outside the clinic and would forbid every small number.
const SHORTEST_NUMBER: usize = 3;
/// Shorter ids count only where they stand alone.
const SHORTEST_WITHIN: usize = 4;
/// A whole name, and one word of it, in letters: shorter ones count only where they stand alone ("Ping" is in "stopping").
const SHORTEST_WHOLE: usize = 4;
const SHORTEST_PART: usize = 6;

/// A text made ready to be compared with many patients.
#[derive(Debug)]
pub(crate) struct Text {
    /// Letters and digits only.
    squeezed: String,
    /// Runs of letters and digits.
    words: Vec<String>,
    /// Runs of digits.
    numbers: Vec<String>,
    has_long_number: bool,
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let folded = folded(text);
        let numbers = folded
            .split(|c: char| !c.is_ascii_digit())
            .filter(|run| !run.is_empty())
            .map(str::to_owned)
            .collect();
        Self {
            squeezed: folded.chars().filter(|c| c.is_alphanumeric()).collect(),
            words: words(&folded),
            numbers,
            has_long_number: has_long_number(&folded),
        }
    }

    /// What in it is of its patient; empty when it names nobody.
    pub(crate) fn names(&self, patient: &PatientText) -> Vec<Names> {
        let is_name = [&patient.name, &patient.other_names]
            .into_iter()
            .any(|name| self.has_name(name));
        [
            (Names::Name, is_name),
            (Names::PatientId, self.has_code(&patient.id)),
            (Names::BirthDate, self.has_date(&patient.birth_date)),
            (Names::Accession, self.has_code(&patient.accession)),
            (Names::LongNumber, self.has_long_number),
        ]
        .into_iter()
        .filter_map(|(kind, is_there)| is_there.then_some(kind))
        .collect()
    }

    /// What in it is of somebody among all patients of a clinic: whole names and long numbers only. Their given names are
    /// words, and their birth dates are most days there are.
    pub(crate) fn names_any(&self, patient: &PatientText) -> Vec<Names> {
        let is_whole = |name: &String| {
            let parts = words(&folded(name));
            let (forwards, backwards): (String, String) =
                (parts.concat(), parts.iter().rev().map(String::as_str).collect());
            [forwards, backwards].iter().any(|whole| {
                let is_name = whole.chars().all(is_han) || SHORTEST_PART <= whole.chars().count();
                is_name && self.has_part(whole, SHORTEST_PART)
            })
        };
        let is_code = |code: &str| SHORTEST_PART <= code.chars().count() && self.has_code(code);
        [
            (
                Names::Name,
                [&patient.name, &patient.other_names].into_iter().any(is_whole),
            ),
            (Names::PatientId, is_code(&patient.id)),
            (Names::Accession, is_code(&patient.accession)),
            (Names::LongNumber, self.has_long_number),
        ]
        .into_iter()
        .filter_map(|(kind, is_there)| is_there.then_some(kind))
        .collect()
    }

    fn has_name(&self, name: &str) -> bool {
        let parts = words(&folded(name));
        let forwards = parts.concat();
        let backwards: String = parts.iter().rev().map(String::as_str).collect();
        if self.has_part(&forwards, SHORTEST_WHOLE) || self.has_part(&backwards, SHORTEST_WHOLE) {
            return true;
        }
        parts
            .iter()
            .any(|part| self.has_part(part, SHORTEST_PART) || self.has_given_name(part))
    }

    /// One word of a name, or all of them together. `within`: from this length on it is found inside other words too.
    fn has_part(&self, part: &str, within: usize) -> bool {
        let length = part.chars().count();
        if length < 2 {
            // One character is a family name of millions, or a letter.
            return false;
        }
        if part.chars().all(is_han) || within <= length {
            return self.squeezed.contains(part);
        }
        self.words.iter().any(|word| word == part)
    }

    /// A Chinese name in one word: what follows a family name of one or two characters.
    fn has_given_name(&self, part: &str) -> bool {
        let characters: Vec<char> = part.chars().collect();
        if !characters.iter().copied().all(is_han) {
            return false;
        }
        [1, 2].into_iter().any(|family| {
            let given: String = characters.iter().skip(family).collect();
            2 <= given.chars().count() && self.squeezed.contains(&given)
        })
    }

    /// An id or an accession number.
    fn has_code(&self, code: &str) -> bool {
        let code: String = folded(code).chars().filter(|c| c.is_alphanumeric()).collect();
        let (length, is_number) = (code.chars().count(), code.bytes().all(|b| b.is_ascii_digit()));
        match length {
            0 | 1 => false,
            _ if is_number && length < SHORTEST_NUMBER => false,
            _ if length <= SHORTEST_WITHIN => {
                self.words.contains(&code) || is_number && self.numbers.contains(&code)
            }
            _ => self.squeezed.contains(&code),
        }
    }

    /// A DICOM date in any of the ways people write dates.
    fn has_date(&self, date: &str) -> bool {
        let digits: String = folded(date).chars().filter(char::is_ascii_digit).collect();
        let (Some(year), Some(month), Some(day), 8) =
            (digits.get(..4), digits.get(4..6), digits.get(6..8), digits.len())
        else {
            return false;
        };
        let short_year = year.get(2..).unwrap_or(year);
        let in_a_row = [
            format!("{year}{month}{day}"),
            format!("{day}{month}{year}"),
            format!("{month}{day}{year}"),
            format!("{short_year}{month}{day}"),
        ];
        if self.numbers.iter().any(|number| in_a_row.contains(number)) || self.squeezed.contains(&digits) {
            return true;
        }
        let value = |text: &str| text.parse::<u32>().ok();
        let is_year = |text: &String| text == year || text == short_year;
        let is = |text: &String, wanted: &str| text.len() <= 2 && value(text) == value(wanted);
        self.numbers.windows(3).any(|three| match three {
            [a, b, c] => {
                is_year(a) && is(b, month) && is(c, day)
                    || is_year(c) && (is(a, day) && is(b, month) || is(a, month) && is(b, day))
            }
            _ => false,
        })
    }
}

/// What in a text to be sent names its patient.
pub(crate) fn names(text: &str, patient: &PatientText) -> Vec<Names> {
    Text::new(text).names(patient)
}

/// One width, no accents, small letters; all white space is one kind.
fn folded(text: &str) -> String {
    text.nfkd()
        .filter(|c| !is_combining_mark(*c) && !is_unseen(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Characters that are drawn as nothing and would part a name.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Runs of letters and digits; where Chinese characters meet others, a new one begins.
fn words(folded: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last: Option<bool> = None;
    for c in folded.chars() {
        if !c.is_alphanumeric() {
            last = None;
            continue;
        }
        let kind = Some(is_han(c));
        match words.last_mut() {
            Some(word) if last == kind => word.push(c),
            _ => words.push(c.to_string()),
        }
        last = kind;
    }
    words
}

fn has_long_number(folded: &str) -> bool {
    let mut in_a_row = 0;
    // Groups of three digits and more, each parted by one space or hyphen.
    let (mut grouped, mut group) = (0, 0);
    let mut gap = 0;
    for c in folded.chars() {
        if c.is_ascii_digit() {
            if 1 < gap {
                grouped = 0;
            }
            gap = 0;
            in_a_row += 1;
            group += 1;
            grouped += 1;
            if LONG_NUMBER <= in_a_row || LONG_GROUPED <= grouped && 3 <= group {
                return true;
            }
            continue;
        }
        in_a_row = 0;
        let is_gap = c == '-' || c == ' ' || c == '\u{2010}' || c == '\u{2011}';
        if 0 < group && group < 3 || !is_gap {
            grouped = 0;
        }
        gap = if is_gap { gap + 1 } else { 2 };
        group = 0;
    }
    false
}

/// Whether a line that a program wrote holds a patient's own words as they stand: for what leaves the clinic in a fault
/// report.
pub(crate) fn holds_identity(line: &str, patient: &PatientText) -> bool {
    let is_long = |text: &str, least: usize| least <= text.chars().count();
    let has = |text: &str, least: usize| is_long(text, least) && line.contains(text);
    // Short numbers stand in every line.
    let number = |text: &str| {
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        has(text, if is_number { SHORTEST_PART } else { SHORTEST_WITHIN })
    };
    has(&patient.name, 2)
        || has(&patient.other_names, 3)
        || number(&patient.id)
        || number(&patient.accession)
        || has(&patient.birth_date, 8)
}

/// Of a case number, what can be said aloud or shown on a wall.
pub(crate) fn short_case(case: &CaseId) -> String {
    let text = case.as_str();
    let from = text.len().saturating_sub(6);
    text.get(from..).unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patient(name: &str) -> PatientText {
        PatientText {
            name: name.into(),
            other_names: "Wang Xiaodong".into(),
            id: "P-0042".into(),
            sex: "M".into(),
            birth_date: "19800131".into(),
            age: Box::default(),
            guessed: false,
            accession: "A202611".into(),
            study_date: String::new(),
        }
    }

    fn found(text: &str) -> Vec<Names> {
        names(text, &patient("王小东"))
    }

    #[test]
    fn a_plain_question_passes() {
        for text in [
            "发热3天，右下肺可疑，请看是否肺炎？",
            "Fever for 3 days, BP 120/80, SpO2 98 %, please look at the right lung.",
            "Compare with the image of 2026-11-02, dose 0.12 mSv, 512 x 512, case 77.",
            "患者家属说有结核病史，王医生要求复查",
            "",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn every_kind_is_named() {
        for (text, kind) in [
            ("请看王小东的片子", Names::Name),
            ("请看 王 小 东 的片子", Names::Name),
            ("小东今天来复查", Names::Name),
            ("Mr WANG has fever", Names::Name),
            ("xiaodong, fever", Names::Name),
            ("Ｗａｎｇ Ｘｉａｏｄｏｎｇ", Names::Name),
            ("wáng xiǎodōng", Names::Name),
            ("王\u{200b}小东", Names::Name),
            ("see p-0042", Names::PatientId),
            ("P0042 again", Names::PatientId),
            ("born 1980-1-31", Names::BirthDate),
            ("1980年01月31日生", Names::BirthDate),
            ("31.1.1980", Names::BirthDate),
            ("born 19800131", Names::BirthDate),
            ("accession A202611", Names::Accession),
            ("call 13812345678", Names::LongNumber),
            ("call 138 1234 5678", Names::LongNumber),
            ("0571-88123456", Names::LongNumber),
            ("身份证11010119900307123X", Names::LongNumber),
            ("１３８１２３４５６７８", Names::LongNumber),
        ] {
            assert!(found(text).contains(&kind), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn a_name_of_one_character_forbids_only_itself_whole() {
        let one = PatientText {
            name: "张 三".into(),
            other_names: String::new(),
            ..PatientText::default()
        };
        assert_eq!(names("张医生说三天后复查", &one), []);
        assert_eq!(names("请看张三", &one), [Names::Name]);
        assert_eq!(
            names(
                "the lung of Li",
                &PatientText {
                    name: "Li".into(),
                    ..PatientText::default()
                }
            ),
            [Names::Name]
        );
        assert_eq!(
            names(
                "lines",
                &PatientText {
                    name: "Li".into(),
                    ..PatientText::default()
                }
            ),
            []
        );
    }

    fn chinese_name() -> impl Strategy<Value = String> {
        proptest::string::string_regex("[赵钱孙李周吴郑王欧阳]{1,2}[\u{4e00}-\u{9fa5}]{1,3}").unwrap()
    }

    fn latin_name() -> impl Strategy<Value = String> {
        proptest::string::string_regex("[A-Z][a-zé]{1,7} [A-Z][a-zü]{2,9}").unwrap()
    }

    proptest! {
        /// Whatever stands around it.
        #[test]
        fn a_text_with_the_name_in_it_is_refused(
            name in prop_oneof![chinese_name(), latin_name()],
            before in ".{0,40}",
            after in ".{0,40}",
        ) {
            let text = format!("{before}{name}{after}");
            prop_assert!(names(&text, &patient(&name)).contains(&Names::Name), "{text}");
        }

        /// Spaced out, in capitals, in the other order.
        #[test]
        fn a_name_written_otherwise_is_refused(name in prop_oneof![chinese_name(), latin_name()], how in 0..3) {
            let written = match how {
                0 => name.to_uppercase(),
                1 => name.chars().flat_map(|c| [c, ' ']).collect(),
                _ => name.split(' ').rev().collect::<Vec<_>>().join(" "),
            };
            prop_assert!(names(&format!("x, {written}."), &patient(&name)).contains(&Names::Name), "{written}");
        }

        #[test]
        fn any_text_can_be_looked_at(text in ".{0,200}", name in ".{0,20}") {
            let _ = names(&text, &patient(&name));
        }
    }
}
