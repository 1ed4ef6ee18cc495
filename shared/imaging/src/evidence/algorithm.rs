//! Which model answered: as content items (PS3.16 TID 4019) and as a sequence's item (PS3.3 table 10-19).

use barefoot_domain::{EngineUse, ModelVersion};

use crate::data_set::DataSet;
use crate::report::codes::{Code, Scheme, code};
use crate::report::modules::{code_item, long_line, put};
use crate::report::sr::items::Relationship::HasConceptMod;
use crate::report::sr::items::{Item, text};
use crate::tags::Tag;

const FAMILY: Tag = Tag(0x0066, 0x002F);
const VERSION: Tag = Tag(0x0066, 0x0031);
const PARAMETERS: Tag = Tag(0x0066, 0x0032);
const NAME: Tag = Tag(0x0066, 0x0036);

pub(super) fn dcm(value: &str, meaning: &str) -> Code {
    code(Scheme::Dicom, value, meaning)
}

/// `engine=tract precision=f32`.
fn parameters(engine: &EngineUse) -> String {
    format!("engine={} precision={}", engine.engine, engine.precision)
}

pub(super) fn add_to(item: &mut Item, model: &ModelVersion, engine: Option<&EngineUse>) {
    item.add(HasConceptMod, text(&dcm("111001", "Algorithm Name"), &model.id));
    item.add(
        HasConceptMod,
        text(&dcm("111003", "Algorithm Version"), &model.version),
    );
    if let Some(engine) = engine {
        let said = parameters(engine);
        item.add(HasConceptMod, text(&dcm("111002", "Algorithm Parameters"), &said));
    }
}

pub(super) fn identification(model: &ModelVersion, engine: Option<&EngineUse>) -> DataSet {
    let mut item = DataSet::default();
    let family = dcm("123110", "Artificial Intelligence");
    item.put_items(FAMILY, vec![code_item(&family)]);
    put(&mut item, NAME, &long_line(&model.id));
    put(&mut item, VERSION, &long_line(&model.version));
    if let Some(engine) = engine {
        put(&mut item, PARAMETERS, &parameters(engine));
    }
    item
}
