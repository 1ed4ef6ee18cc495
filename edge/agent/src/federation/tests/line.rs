//! Over a real line: mutual TLS, HTTP/2, a hub that breaks off or lies.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{MutexGuard, PoisonError};
use std::task::{Context, Poll};

use barefoot_federation::layout::CHUNK_VALUES;
use barefoot_wire::v1::federation_server::{Federation, FederationServer};
use barefoot_wire::v1::task::Task;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use super::super::terms::tests::{lenient, plain, strict};
use super::*;
use crate::federated::{Participant, RoundOutcome, Settings};

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// What the hub was told.
#[derive(Debug)]
enum Word {
    Models(Vec<v1::TrainableModel>),
    Fit(v1::FitReply),
    Evaluate(v1::EvaluateReply),
    Declined(v1::DeclineReason),
    /// An upload of this many chunks, whether or not it was confirmed.
    Pushed(usize),
}

#[derive(Default)]
struct Desk {
    /// The first is given until it was answered.
    tasks: VecDeque<Task>,
    chunks: HashMap<Vec<u8>, Vec<u8>>,
    /// Uploads that break off after their first chunk.
    broken_uploads: usize,
    /// Sends other bytes than it is asked for.
    lies: bool,
    /// Answers that are lost on the way back.
    lost_answers: usize,
}

#[derive(Clone)]
struct FakeHub {
    desk: Arc<Mutex<Desk>>,
    words: mpsc::Sender<Word>,
}

impl FakeHub {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn done(&self, word: Word) -> Result<Response<v1::Answer>, Status> {
        self.words.send(word).await.unwrap();
        let mut desk = self.desk();
        if 0 < desk.lost_answers {
            desk.lost_answers -= 1;
            return Err(Status::unavailable("The line broke."));
        }
        desk.tasks.pop_front();
        Ok(Response::new(v1::Answer {
            accepted: true,
            ..Default::default()
        }))
    }
}

#[tonic::async_trait]
impl Federation for FakeHub {
    async fn pull_task(&self, request: Request<v1::PullTaskRequest>) -> Result<Response<v1::Task>, Status> {
        let _ = self.words.try_send(Word::Models(request.into_inner().model));
        let task = self.desk().tasks.front().cloned();
        let task = task.unwrap_or(Task::Idle(v1::Idle { retry_after_ms: 1 }));
        Ok(Response::new(v1::Task { task: Some(task) }))
    }

    async fn missing_chunks(&self, request: Request<v1::ChunkIds>) -> Result<Response<v1::ChunkIds>, Status> {
        let mut id = request.into_inner().id;
        let desk = self.desk();
        id.retain(|id| !desk.chunks.contains_key(id));
        Ok(Response::new(v1::ChunkIds { id }))
    }

    async fn push_chunks(
        &self,
        request: Request<Streaming<v1::Chunk>>,
    ) -> Result<Response<v1::PushSummary>, Status> {
        let mut chunks = request.into_inner();
        let mut stored = 0;
        while let Some(chunk) = chunks.next().await {
            let content = chunk?.content.to_vec();
            self.desk()
                .chunks
                .insert(ChunkId::of(&content).0.to_vec(), content);
            stored += 1;
            if 0 < self.desk().broken_uploads {
                self.desk().broken_uploads -= 1;
                self.words.send(Word::Pushed(stored)).await.unwrap();
                return Err(Status::unavailable("The line broke."));
            }
        }
        self.words.send(Word::Pushed(stored)).await.unwrap();
        Ok(Response::new(v1::PushSummary {
            stored: stored as u32,
        }))
    }

    type PullChunksStream = ReceiverStream<Result<v1::Chunk, Status>>;

    async fn pull_chunks(
        &self,
        request: Request<v1::ChunkIds>,
    ) -> Result<Response<Self::PullChunksStream>, Status> {
        let ids = request.into_inner().id;
        let (chunks, stream) = mpsc::channel(ids.len().max(1));
        for id in ids {
            let mut content = self.desk().chunks.get(&id).cloned().unwrap_or_default();
            if self.desk().lies {
                content.push(1);
            }
            let chunk = v1::Chunk {
                content: content.into(),
            };
            chunks.send(Ok(chunk)).await.unwrap();
        }
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn submit_fit(&self, request: Request<v1::FitReply>) -> Result<Response<v1::Answer>, Status> {
        self.done(Word::Fit(request.into_inner())).await
    }

    async fn submit_evaluate(
        &self,
        request: Request<v1::EvaluateReply>,
    ) -> Result<Response<v1::Answer>, Status> {
        self.done(Word::Evaluate(request.into_inner())).await
    }

    async fn submit_keys(&self, _: Request<v1::KeysReply>) -> Result<Response<v1::Answer>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn submit_shares(&self, _: Request<v1::SharesReply>) -> Result<Response<v1::Answer>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn submit_unmask(&self, _: Request<v1::UnmaskReply>) -> Result<Response<v1::Answer>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn decline(&self, request: Request<v1::DeclineReply>) -> Result<Response<v1::Answer>, Status> {
        let reason = request.into_inner().reason();
        self.done(Word::Declined(reason)).await
    }
}

/// tonic asks for `Connected`, which TLS streams have only with a feature this program does not want.
struct Line(TlsStream<TcpStream>);

impl Connected for Line {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A region with a hub that listens and a clinic that may take part.
struct World {
    region: Region,
    address: SocketAddr,
    hub: FakeHub,
    words: mpsc::Receiver<Word>,
    /// One for each handshake that failed.
    strangers: mpsc::Receiver<()>,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let region = Region::new(&["a"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = TlsAcceptor::from(region.identity("hub").http2_server_config().unwrap());
        let (words_in, words) = mpsc::channel(64);
        let hub = FakeHub {
            desk: Arc::default(),
            words: words_in,
        };
        let (lines, arriving) = mpsc::channel::<Result<Line, Infallible>>(4);
        let (strangers_in, strangers) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                match tls.accept(socket).await {
                    Ok(stream) => drop(lines.send(Ok(Line(stream))).await),
                    Err(_) => drop(strangers_in.try_send(())),
                }
            }
        });
        let service = FederationServer::new(hub.clone());
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(ReceiverStream::new(arriving)),
        );
        Self {
            region,
            address,
            hub,
            words,
            strangers,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn participant(&self, learner: Arc<dyn Learner>, policy: Option<Policy>) -> Participant {
        Participant::new(Settings {
            clinic: clinic("a"),
            hub: self.address.to_string(),
            tls: self.region.paths("a"),
            poll: std::time::Duration::from_millis(2),
            directory: self.folder.path().join("training"),
            policy,
            learner,
        })
        .unwrap()
    }

    fn start(&self, learner: &Arc<Fixed>) -> JoinHandle<()> {
        let learner: Arc<dyn Learner> = Arc::<Fixed>::clone(learner);
        let participant = self.participant(learner, Some(lenient()));
        tokio::spawn(participant.run(CancellationToken::new()))
    }

    fn give(&self, task: Task) {
        self.hub.desk().tasks.push_back(task);
    }

    /// The next word that is no question for tasks.
    async fn word(&mut self) -> Word {
        let next = async {
            loop {
                match self.words.recv().await.unwrap() {
                    Word::Models(_) => {}
                    word => return word,
                }
            }
        };
        timeout(DEADLINE, next).await.unwrap()
    }
}

fn fit_task(terms: v1::RoundTerms) -> Task {
    Task::Fit(v1::FitTask {
        terms: Some(terms),
        inbox: Vec::new(),
    })
}

fn offer_zeros(world: &World) {
    let zeros = vec![0_u8; 16];
    world
        .hub
        .desk()
        .chunks
        .insert(ChunkId::of(&zeros).0.to_vec(), zeros);
}

#[tokio::test]
async fn a_round_over_the_line_fits_and_measures() {
    let mut world = World::new().await;
    let learner = Fixed::new([1.0, 0.0, 0.0, 0.0]);
    offer_zeros(&world);
    world.give(fit_task(plain()));
    world.give(Task::Evaluate(v1::EvaluateTask { terms: Some(plain()) }));
    let shared: Arc<dyn Learner> = Arc::<Fixed>::clone(&learner);
    let participant = world.participant(shared, Some(lenient()));
    let status = participant.status();
    let running = tokio::spawn(participant.run(CancellationToken::new()));
    let first = timeout(DEADLINE, world.words.recv()).await.unwrap().unwrap();
    assert!(
        matches!(&first, Word::Models(models) if models[0].id == "cxr"),
        "{first:?}"
    );
    assert!(matches!(world.word().await, Word::Pushed(1)));
    let Word::Fit(reply) = world.word().await else {
        panic!("a fit");
    };
    assert_eq!((reply.examples, reply.metric[0].name.as_str()), (50, "auc"));
    let Word::Evaluate(reply) = world.word().await else {
        panic!("an evaluation");
    };
    assert_eq!(reply.examples, 7);
    let note = status.view().last_round.unwrap();
    assert_eq!(
        (note.round, note.of, note.outcome),
        (1, 10, RoundOutcome::Contributed)
    );
    running.abort();
}

#[tokio::test]
async fn an_answer_that_was_lost_and_a_kill_bring_the_same_reply_again() {
    let mut world = World::new().await;
    let learner = Fixed::new([1.0, 0.0, 0.0, 0.0]);
    offer_zeros(&world);
    world.give(fit_task(plain()));
    world.hub.desk().lost_answers = 2;
    let running = world.start(&learner);
    assert!(matches!(world.word().await, Word::Pushed(1)));
    let Word::Fit(first) = world.word().await else {
        panic!("a fit");
    };
    running.abort();
    let _ = running.await;
    let running = world.start(&learner);
    for _ in 0..2 {
        let Word::Fit(again) = world.word().await else {
            panic!("the same fit, and no chunk twice");
        };
        assert_eq!(again, first);
    }
    assert_eq!(learner.trained(), 1);
    running.abort();
}

/// Three chunks, each different.
struct Large;

impl Learner for Large {
    fn trainable(&self) -> Option<Trainable> {
        Some(Trainable {
            channels: 2 * CHUNK_VALUES + 4,
            ..trainable()
        })
    }

    fn examples(&self) -> u32 {
        50
    }

    fn fit(&self, global: &[f32], _: &FitOrder, _: GoOn<'_>) -> Result<Fitted, LearnError> {
        Ok(Fitted {
            delta: (0..global.len()).map(|place| place as f32).collect(),
            examples: 50,
            metrics: Vec::new(),
        })
    }

    fn evaluate(&self, _: &[f32]) -> Result<Evaluated, LearnError> {
        Err(LearnError::NoModel)
    }
}

#[tokio::test]
async fn an_upload_that_broke_off_goes_on_where_it_was() {
    let mut world = World::new().await;
    let layout = Large.trainable().unwrap().layout().unwrap();
    let mut terms = plain();
    let global = terms.global.as_mut().unwrap();
    global.tensors[0].shape = vec![1, (2 * CHUNK_VALUES + 4) as u64];
    global.chunk = (0..layout.chunks())
        .map(|chunk| {
            let zeros = vec![0_u8; 4 * layout.chunk_values(chunk)];
            let id = ChunkId::of(&zeros).0.to_vec();
            world.hub.desk().chunks.insert(id.clone(), zeros);
            id
        })
        .collect();
    world.give(fit_task(terms));
    world.hub.desk().broken_uploads = 2;
    let participant = world.participant(Arc::new(Large), Some(lenient()));
    let running = tokio::spawn(participant.run(CancellationToken::new()));
    for _ in 0..3 {
        assert!(
            matches!(world.word().await, Word::Pushed(1)),
            "one chunk, none of them twice"
        );
    }
    let Word::Fit(reply) = world.word().await else {
        panic!("a fit");
    };
    let held = world.hub.desk().chunks.len();
    assert_eq!((reply.update.unwrap().chunk.len(), held), (3, 2 + 3));
    running.abort();
}

#[tokio::test]
async fn a_hub_that_lies_or_makes_no_sense_gets_nothing_and_is_asked_again() {
    let mut world = World::new().await;
    let learner = Fixed::new([1.0, 0.0, 0.0, 0.0]);
    offer_zeros(&world);
    world.hub.desk().lies = true;
    world.give(fit_task(plain()));
    let running = world.start(&learner);
    for _ in 0..5 {
        let asked = timeout(DEADLINE, world.words.recv()).await.unwrap().unwrap();
        assert!(matches!(asked, Word::Models(_)), "{asked:?}");
    }
    world.hub.desk().tasks.clear();
    // Larger than any message the clinic takes.
    let mut huge = plain();
    huge.model_id = "x".repeat(8 * 1024 * 1024);
    world.give(fit_task(huge));
    for _ in 0..5 {
        let asked = timeout(DEADLINE, world.words.recv()).await.unwrap().unwrap();
        assert!(matches!(asked, Word::Models(_)), "{asked:?}");
    }
    world.hub.desk().tasks.clear();
    let mut nameless = plain();
    nameless.id = None;
    world.give(fit_task(nameless));
    for _ in 0..5 {
        let asked = timeout(DEADLINE, world.words.recv()).await.unwrap().unwrap();
        assert!(matches!(asked, Word::Models(_)), "{asked:?}");
    }
    world.hub.desk().tasks.clear();
    world.hub.desk().lies = false;
    world.give(fit_task(plain()));
    assert!(matches!(world.word().await, Word::Pushed(1)));
    assert!(matches!(world.word().await, Word::Fit(_)));
    running.abort();
}

#[tokio::test]
async fn without_a_policy_the_hub_hears_why() {
    let mut world = World::new().await;
    world.give(fit_task(plain()));
    let participant = world.participant(Fixed::new([0.0; 4]), None);
    let status = participant.status();
    let running = tokio::spawn(participant.run(CancellationToken::new()));
    assert!(matches!(
        world.word().await,
        Word::Declined(v1::DeclineReason::NoPolicy)
    ));
    let outcome = status.view().last_round.unwrap().outcome;
    assert_eq!(outcome, RoundOutcome::Declined("no_policy"));
    running.abort();
}

#[tokio::test]
async fn secrets_of_a_round_that_is_over_go_at_the_next_start_and_when_the_hub_is_idle() {
    let mut world = World::new().await;
    let attempt = world.folder.path().join("training/rounds/0123-1-1");
    let secrets = attempt.join("secagg");
    let leave = || {
        std::fs::create_dir_all(&attempt).unwrap();
        std::fs::write(attempt.join("unmask"), b"").unwrap();
        std::fs::write(&secrets, b"secret").unwrap();
    };
    drop(world.participant(Fixed::new([0.0; 4]), Some(lenient())));
    leave();
    let participant = world.participant(Fixed::new([0.0; 4]), Some(lenient()));
    assert!(!secrets.exists());
    leave();
    let running = tokio::spawn(participant.run(CancellationToken::new()));
    // The third question comes after the first answer was dealt with.
    for _ in 0..3 {
        let asked = timeout(DEADLINE, world.words.recv()).await.unwrap().unwrap();
        assert!(matches!(asked, Word::Models(_)), "{asked:?}");
    }
    assert!(!secrets.exists());
    running.abort();
}

#[tokio::test]
async fn a_site_that_gets_its_policy_later_may_add_noise() {
    let world = World::new().await;
    drop(world.participant(Fixed::new([0.0; 4]), None));
    let participant = world.participant(Fixed::new([0.0; 4]), Some(strict()));
    let view = participant.status().view();
    assert_eq!(view.problem, None);
    assert_eq!(view.privacy.unwrap().epsilon, 0.0);
}

#[tokio::test]
async fn a_hub_of_another_authority_is_told_nothing() {
    let mut world = World::new().await;
    world.region = Region::new(&["a"]);
    world.give(fit_task(plain()));
    let running = world.start(&Fixed::new([0.0; 4]));
    for _ in 0..3 {
        timeout(DEADLINE, world.strangers.recv()).await.unwrap().unwrap();
    }
    assert!(world.words.try_recv().is_err());
    assert!(!running.is_finished());
    running.abort();
}
