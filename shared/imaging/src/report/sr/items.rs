//! Content items (PS3.3 section C.17.3).

use super::super::codes::{Code, Scheme, code};
use super::super::modules::{bytes, code_item, observer, prose, put, reference};
use crate::data_set::{DataSet, Vr};
use crate::tags::{self, Tag};

const RELATIONSHIP: Tag = Tag(0x0040, 0xA010);
const VALUE_TYPE: Tag = Tag(0x0040, 0xA040);
const CONCEPT_NAME: Tag = Tag(0x0040, 0xA043);
const CONTINUITY: Tag = Tag(0x0040, 0xA050);
const PERSON_NAME: Tag = Tag(0x0040, 0xA123);
const UID: Tag = Tag(0x0040, 0xA124);
const TEXT_VALUE: Tag = Tag(0x0040, 0xA160);
const CONCEPT_CODE: Tag = Tag(0x0040, 0xA168);
const MEASURED: Tag = Tag(0x0040, 0xA300);
const NUMERIC_VALUE: Tag = Tag(0x0040, 0xA30A);
const UNITS: Tag = Tag(0x0040, 0x08EA);
const TEMPLATE: Tag = Tag(0x0040, 0xA504);
const TEMPLATE_ID: Tag = Tag(0x0040, 0xDB00);
const MAPPING_RESOURCE: Tag = Tag(0x0008, 0x0105);
const CONTENT: Tag = Tag(0x0040, 0xA730);
const FRAME: Tag = Tag(0x0008, 0x1160);
const GRAPHIC_DATA: Tag = Tag(0x0070, 0x0022);
const GRAPHIC_TYPE: Tag = Tag(0x0070, 0x0023);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Relationship {
    Contains,
    HasAcqContext,
    HasConceptMod,
    HasObsContext,
    HasProperties,
    InferredFrom,
    SelectedFrom,
}

impl Relationship {
    fn term(self) -> &'static str {
        match self {
            Self::Contains => "CONTAINS",
            Self::HasAcqContext => "HAS ACQ CONTEXT",
            Self::HasConceptMod => "HAS CONCEPT MOD",
            Self::HasObsContext => "HAS OBS CONTEXT",
            Self::HasProperties => "HAS PROPERTIES",
            Self::InferredFrom => "INFERRED FROM",
            Self::SelectedFrom => "SELECTED FROM",
        }
    }
}

/// A content item as it is put together; its children in the order they are said.
pub(crate) struct Item {
    set: DataSet,
    children: Vec<DataSet>,
}

fn item(value_type: &str, name: Option<&Code>) -> Item {
    let mut set = DataSet::default();
    set.put_code(VALUE_TYPE, value_type);
    if let Some(name) = name {
        set.put_items(CONCEPT_NAME, vec![code_item(name)]);
    }
    Item {
        set,
        children: Vec::new(),
    }
}

pub(crate) fn container(name: &Code) -> Item {
    let mut item = item("CONTAINER", Some(name));
    item.set.put_code(CONTINUITY, "SEPARATE");
    item
}

pub(crate) fn text(name: &Code, value: &str) -> Item {
    let mut item = item("TEXT", Some(name));
    put(&mut item.set, TEXT_VALUE, &prose(value));
    item
}

pub(crate) fn coded(name: &Code, value: &Code) -> Item {
    let mut item = item("CODE", Some(name));
    item.set.put_items(CONCEPT_CODE, vec![code_item(value)]);
    item
}

pub(crate) fn person(name: &Code, value: &str) -> Item {
    let mut item = item("PNAME", Some(name));
    put(&mut item.set, PERSON_NAME, &observer(value));
    item
}

pub(crate) fn uid(name: &Code, value: &str) -> Item {
    let mut item = item("UIDREF", Some(name));
    item.set.put_code(UID, value);
    item
}

/// `value` is a decimal of at most sixteen characters.
pub(crate) fn number(name: &Code, value: &str, unit: &Code) -> Item {
    let mut measured = DataSet::default();
    measured.put_code(NUMERIC_VALUE, value);
    measured.put_items(UNITS, vec![code_item(unit)]);
    let mut item = item("NUM", Some(name));
    item.set.put_items(MEASURED, vec![measured]);
    item
}

/// Coordinates are columns and rows in turn.
pub(crate) fn coordinates(graphic_type: &str, points: &[(f32, f32)]) -> Item {
    let region = code(Scheme::Dicom, "111030", "Image Region");
    let mut item = item("SCOORD", Some(&region));
    let data = points.iter().flat_map(|(column, row)| [*column, *row]);
    let data = data.flat_map(f32::to_le_bytes).collect();
    item.set.put(GRAPHIC_DATA, bytes(Vr::FL, data));
    item.set.put_code(GRAPHIC_TYPE, graphic_type);
    item
}

/// The frame is named only where an image has several.
pub(crate) fn image(sop_class: &str, sop_instance: &str, frame: Option<u32>) -> Item {
    let mut referenced = reference(sop_class, sop_instance);
    if let Some(frame) = frame {
        referenced.put_code(FRAME, &frame.to_string());
    }
    let mut item = item("IMAGE", None);
    item.set
        .put_items(tags::REFERENCED_SOP_SEQUENCE, vec![referenced]);
    item
}

impl Item {
    pub(crate) fn with(mut self, relationship: Relationship, child: Self) -> Self {
        self.add(relationship, child);
        self
    }

    pub(crate) fn add(&mut self, relationship: Relationship, child: Self) {
        let mut child = child.finish();
        child.put_code(RELATIONSHIP, relationship.term());
        self.children.push(child);
    }

    /// Says which template it follows (PS3.16).
    pub(crate) fn template(mut self, number: &str) -> Self {
        let mut template = DataSet::default();
        template.put_code(MAPPING_RESOURCE, "DCMR");
        template.put_code(TEMPLATE_ID, number);
        self.set.put_items(TEMPLATE, vec![template]);
        self
    }

    fn finish(mut self) -> DataSet {
        if !self.children.is_empty() {
            self.set.put_items(CONTENT, self.children);
        }
        self.set
    }

    /// The root item's elements stand in the document itself.
    pub(crate) fn into_document(self, document: &mut DataSet) {
        let set = self.finish();
        for (tag, element) in set.iter() {
            document.put(tag, element.clone());
        }
    }
}
