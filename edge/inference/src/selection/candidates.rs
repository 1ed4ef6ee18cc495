//! Every engine, artefact and way to run it that the site allows, and how each is loaded.

use std::sync::OnceLock;

use super::{Considered, EngineChoice, EngineWish, Outcome, PrecisionWish, chain};
use crate::bundle::{Artefact, Bundle, Output};
use crate::engine::{
    Contract, Engine, EngineKind, OrtLibrary, Precision, Provider, Threads, TractEngine, TractForm, Traits,
};
use crate::memory::Remembered;

/// One engine with one artefact, one way.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) artefact: &'a Artefact,
    how: How,
    /// Only where none before it in its heat passed.
    pub(super) stands_in: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Tract(TractForm),
    Ort(Provider),
}

impl Candidate<'_> {
    /// Whether the float artefact has shown already that this order of axes is the slower one here.
    pub(super) fn has_lost(self, considered: &[Considered]) -> bool {
        let How::Tract(form) = self.how else {
            return false;
        };
        let fastest = |form: TractForm| {
            let mut float = considered
                .iter()
                .filter(|one| one.engine == EngineKind::Tract && one.precision == Precision::F32);
            match float.find(|one| one.form == form.as_str())?.outcome {
                Outcome::Passed { median_ms, .. } => Some(median_ms),
                Outcome::Slower { first_ms } => Some(first_ms),
                Outcome::Refused { .. } => None,
            }
        };
        let (Some(plain), Some(nhwc)) = (fastest(TractForm::Plain), fastest(TractForm::Nhwc)) else {
            return false;
        };
        form.expands() && form.channels_last() != (nhwc < plain)
    }

    pub(super) fn kind(self) -> EngineKind {
        match self.how {
            How::Tract(_) => EngineKind::Tract,
            How::Ort(_) => EngineKind::Ort,
        }
    }

    pub(super) fn form(self) -> &'static str {
        match self.how {
            How::Tract(form) => form.as_str(),
            How::Ort(provider) => provider.as_str(),
        }
    }
}

/// Candidates of one engine with one artefact.
pub(super) struct Heat<'a> {
    pub(super) candidates: Vec<Candidate<'a>>,
    /// Only where nothing else passed.
    pub(super) last_resort: bool,
}

/// Loads candidates.
pub(super) struct Loader<'a> {
    bundle: &'a Bundle,
    choice: &'a EngineChoice,
    threads: Threads,
    library: OnceLock<Result<OrtLibrary, String>>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(bundle: &'a Bundle, choice: &'a EngineChoice) -> Self {
        Self {
            bundle,
            choice,
            threads: Threads::new(choice.threads),
            library: OnceLock::new(),
        }
    }

    pub(super) fn heats(&self) -> Vec<Heat<'a>> {
        let mut heats = Vec::new();
        for kind in self.kinds() {
            for artefact in self.artefacts() {
                let ways = match kind {
                    EngineKind::Ort => self.providers(),
                    EngineKind::Tract => tract_forms(artefact),
                };
                let candidates = ways.into_iter().map(|(how, stands_in)| Candidate {
                    artefact,
                    how,
                    stands_in,
                });
                heats.push(Heat {
                    candidates: candidates.collect(),
                    last_resort: kind == EngineKind::Tract && self.choice.engine == EngineWish::Ort,
                });
            }
        }
        heats
    }

    /// What was chosen before, where it is still among what may be chosen.
    pub(super) fn recalled(&self, known: &Remembered) -> Option<Candidate<'a>> {
        let heats = self.heats();
        let mut candidates = heats.iter().flat_map(|heat| &heat.candidates);
        candidates
            .find(|candidate| {
                candidate.kind() == known.engine
                    && candidate.artefact.precision == known.precision
                    && candidate.form() == known.form
            })
            .copied()
    }

    pub(super) fn load(&self, candidate: Candidate<'_>) -> Result<Box<dyn Engine>, String> {
        let artefact = candidate.artefact;
        let contract = contract(self.bundle);
        match candidate.how {
            How::Tract(form) => {
                let onnx = artefact.read().map_err(|error| chain(&error))?;
                TractEngine::load(&onnx, artefact.precision, form, contract, self.threads.clone())
                    .map(|engine| Box::new(engine) as Box<dyn Engine>)
                    .map_err(|error| chain(&error))
            }
            How::Ort(provider) => {
                let library = self.library.get_or_init(|| {
                    OrtLibrary::load(self.choice.onnxruntime.as_deref()).map_err(|error| chain(&error))
                });
                let onnx = artefact.open().map_err(|error| chain(&error))?;
                library
                    .as_ref()
                    .map_err(String::clone)?
                    .engine(&onnx, artefact.precision, provider, contract, self.choice.threads)
                    .map(|engine| Box::new(engine) as Box<dyn Engine>)
                    .map_err(|error| chain(&error))
            }
        }
    }

    /// tract with the float artefact, or with the only one there is.
    pub(super) fn referee(&self) -> Result<Box<dyn Engine>, String> {
        let artefacts = &self.bundle.artefacts;
        let float = artefacts
            .iter()
            .find(|artefact| artefact.precision == Precision::F32);
        let artefact = float.or(artefacts.first()).ok_or("the bundle has no artefact")?;
        let load = |form| {
            self.load(Candidate {
                artefact,
                how: How::Tract(form),
                stands_in: false,
            })
        };
        load(TractForm::Plain).or_else(|reason| load(TractForm::Expanded).map_err(|_| reason))
    }

    /// Whether this is not what the site wished first.
    pub(super) fn is_fallback(&self, engine: &dyn Engine) -> bool {
        let first = self.choice.providers.first().copied().unwrap_or(Provider::Cpu);
        match self.choice.engine {
            EngineWish::Tract => false,
            // Without a wish for more than the processor, the faster engine is no fallback.
            EngineWish::Auto if first == Provider::Cpu => false,
            EngineWish::Auto | EngineWish::Ort => {
                engine.kind() != EngineKind::Ort || engine.form() != first.as_str()
            }
        }
    }

    fn kinds(&self) -> Vec<EngineKind> {
        match self.choice.engine {
            EngineWish::Auto | EngineWish::Ort => vec![EngineKind::Ort, EngineKind::Tract],
            EngineWish::Tract => vec![EngineKind::Tract],
        }
    }

    fn artefacts(&self) -> impl Iterator<Item = &'a Artefact> {
        let wish = self.choice.precision;
        let fits = move |artefact: &&Artefact| match wish {
            PrecisionWish::Auto => true,
            PrecisionWish::F32 => artefact.precision == Precision::F32,
            PrecisionWish::Int8 => artefact.precision == Precision::Int8,
        };
        self.bundle.artefacts.iter().filter(fits)
    }

    /// In the order of wish: the first that passes is enough.
    fn providers(&self) -> Vec<(How, bool)> {
        let mut providers = self.choice.providers.clone();
        // The processor is always there to fall back to.
        if !providers.contains(&Provider::Cpu) {
            providers.push(Provider::Cpu);
        }
        let ways = providers.into_iter().map(How::Ort);
        ways.map(|how| (how, true)).collect()
    }
}

/// Integers are made float first: tract's own integer kernels are slow, and take over only where the golden answers
/// demand their rounding. Which order of axes is the faster, a depthwise graph has to show. Each with whether it only
/// stands in.
fn tract_forms(artefact: &Artefact) -> Vec<(How, bool)> {
    let Traits { depthwise, quantized } = artefact.read().map(|onnx| Traits::of(&onnx)).unwrap_or_default();
    let mut forms = match artefact.precision {
        Precision::F32 => vec![(TractForm::Plain, false)],
        Precision::Int8 => vec![(TractForm::Expanded, false)],
    };
    if depthwise {
        forms.push(match artefact.precision {
            Precision::F32 => (TractForm::Nhwc, false),
            Precision::Int8 => (TractForm::ExpandedNhwc, false),
        });
    }
    match artefact.precision {
        Precision::F32 if quantized => forms.push((TractForm::Expanded, true)),
        Precision::F32 => {}
        Precision::Int8 => forms.push((TractForm::Plain, true)),
    }
    let forms = forms.into_iter();
    forms
        .map(|(form, stands_in)| (How::Tract(form), stands_in))
        .collect()
}

fn contract(bundle: &Bundle) -> Contract {
    let size = [bundle.preprocessing.height, bundle.preprocessing.width];
    let (output_name, output) = match &bundle.output {
        Output::Features(output) => {
            let [height, width] = output.grid;
            (&output.features, vec![1, output.channels, height, width])
        }
        Output::Scores(output) => (&output.scores, vec![1, output.classes]),
        Output::Mask(output) => (
            &output.mask,
            bundle.input.layout.shape(output.classes, output.grid).to_vec(),
        ),
    };
    Contract {
        input_name: bundle.output.input().to_owned(),
        input: bundle.input.shape(size.map(|side| side as usize)),
        output_name: output_name.clone(),
        output,
    }
}
