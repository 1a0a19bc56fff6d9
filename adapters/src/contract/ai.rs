//! Contract `ai`: models that complete, embed, transcribe and moderate, and collections of vectors.

use infrafabric_definition::Domain;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    ACTION, ActionContract, CatalogContract, Does, DomainContract, Field, Kept, Kind,
    ObjectContract, needed, optional,
};
use crate::account::Action;

/// A prompt to be completed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Complete {
    /// The provider's name of the model.
    pub model: String,
    /// What the model is, in its own eyes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The talk so far.
    pub messages: Vec<Turn>,
    /// The most tokens that it may answer with.
    pub max_tokens: u32,
    /// From 0 (the same each time) up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Where it stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// The same, answered piece by piece.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stream(pub Complete);

/// What one side said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who.
    pub role: Role,
    /// What.
    pub content: String,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    /// The text.
    #[serde(default)]
    pub text: String,
    /// Why it ended.
    #[serde(default)]
    pub state: Finish,
    /// The provider's own word for it.
    #[serde(default)]
    pub vendor_state: String,
    /// The model that answered, which may be named more exactly than the one that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tokens that were read, those from the cache included.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens that were written.
    #[serde(default)]
    pub output_tokens: u64,
    /// Tokens that were read from the provider's cache.
    #[serde(default)]
    pub cached_tokens: u64,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Finish {
    /// All was said.
    Complete,
    /// The limit of tokens was reached.
    Length,
    /// The provider's filter stopped it.
    Filtered,
    /// The provider does not say, or says a word that the definition does not know.
    #[default]
    Unknown,
}

/// Texts to be embedded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embed {
    /// The provider's name of the model.
    pub model: String,
    /// The texts.
    pub texts: Vec<String>,
}

/// A vector for each text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Embeddings {
    /// In the order of the texts.
    pub vectors: Vec<Vec<f64>>,
    /// Tokens that were read.
    #[serde(default)]
    pub input_tokens: u64,
}

/// A recording to be written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transcribe {
    /// The provider's name of the model.
    pub model: String,
    /// The file's name; its ending says the format.
    pub filename: String,
    /// Its media type.
    pub content_type: String,
    /// Its content in base64.
    pub base64: String,
    /// ISO 639-1, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// What was said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The text.
    #[serde(default)]
    pub text: String,
}

/// A text to be judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moderate {
    /// The text.
    pub text: String,
}

/// What the provider's judge says of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Whether anything is wrong with it.
    pub flagged: bool,
    /// What, in the provider's words.
    #[serde(default)]
    pub categories: Vec<String>,
}

/// A model on offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// The provider's name for it.
    pub name: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Tokens that it can look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// Price of a million tokens read; `None` is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_price: Option<Decimal>,
    /// Price of a million tokens written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_price: Option<Decimal>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// Points to be put into a collection; those of a known id are replaced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Upsert {
    /// The points.
    pub points: Vec<Point>,
}

/// A vector with what it stands for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Its identity: a UUID.
    pub id: String,
    /// The vector.
    pub vector: Vec<f64>,
    /// What it stands for.
    #[serde(default)]
    pub payload: Json,
}

/// Asks for the points nearest to a vector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The vector.
    pub vector: Vec<f64>,
    /// The most points that are wanted.
    pub limit: u32,
}

/// The points nearest to a vector, the nearest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// The points.
    #[serde(default)]
    pub matches: Vec<Match>,
}

/// A point that was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// Its identity.
    pub id: String,
    /// How near it is, by the collection's metric.
    pub score: f64,
    /// What it stands for.
    #[serde(default)]
    pub payload: Json,
}

/// Takes points out of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forget {
    /// Their identities.
    pub ids: Vec<String>,
}

/// What a collection of vectors is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectionWant {
    /// Letters, digits, `-` and `_`; unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// Numbers of a vector.
    pub dimensions: u32,
    /// What nearness is.
    pub metric: Metric,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
}

/// What nearness is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The angle.
    Cosine,
    /// The dot product.
    Dot,
    /// The distance.
    Euclid,
}

/// A collection of vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collection {
    /// The provider's identity for it.
    pub id: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Numbers of a vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// How many points it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u64>,
    /// Whether it can be asked.
    #[serde(default)]
    pub state: CollectionState,
}

/// Whether a collection can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CollectionState {
    /// It is being made.
    Creating,
    /// It can be asked.
    Ready,
    /// The provider says that it is broken.
    Failed,
    /// The provider does not say, or says a word that the definition does not know.
    #[default]
    Unknown,
}

impl Kept for Collection {
    const DOMAIN: Domain = Domain::Ai;
    type Want = CollectionWant;
    const KIND: &'static str = "collection";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Action for Complete {
    const NAME: &'static str = "complete";
    type Given = Completion;
}
impl Action for Stream {
    const NAME: &'static str = "stream";
    type Given = Completion;
}
impl Action for Embed {
    const NAME: &'static str = "embed";
    type Given = Embeddings;
}
impl Action for Transcribe {
    const NAME: &'static str = "transcribe";
    type Given = Transcript;
}
impl Action for Moderate {
    const NAME: &'static str = "moderate";
    type Given = Judgement;
}
impl Action for Upsert {
    const NAME: &'static str = "upsert";
    type Given = super::chat::Done;
}
impl Action for Query {
    const NAME: &'static str = "query";
    type Given = Nearest;
}
impl Action for Forget {
    const NAME: &'static str = "forget";
    type Given = super::chat::Done;
}

const MODEL: Field = needed("model", Kind::Text, "the provider's name of the model");

const PROMPT: &[Field] = &[
    MODEL,
    optional("system", Kind::Text, "what the model is, in its own eyes"),
    needed("messages", Kind::Maps(&["role", "content"]), "the talk: role user or assistant"),
    needed("maxTokens", Kind::Int, "the most tokens of the answer"),
    optional("temperature", Kind::Decimal, "from 0 (the same each time) up"),
    optional("stop", Kind::Texts, "where it stops"),
];

const COMPLETION: &[Field] = &[
    optional("text", Kind::Text, "the answer"),
    needed("state", Kind::State, "why it ended"),
    optional("model", Kind::Text, "the model that answered"),
    needed("inputTokens", Kind::Int, "tokens read, cached ones included"),
    needed("outputTokens", Kind::Int, "tokens written"),
    optional("cachedTokens", Kind::Int, "tokens read from a cache"),
];

const FINISHES: &[&str] = &["Complete", "Length", "Filtered", "Unknown"];

const PROMPT_EXAMPLE: &str = r#"{"model": "model-1", "system": "Answer in one word.",
    "messages": [{"role": "user", "content": "Ready?"}], "maxTokens": 64}"#;

/// The contract as data.
pub const CONTRACT: DomainContract = DomainContract {
    events: None,
    objects: &[ObjectContract {
        name: "collection",
        inputs: &[
            needed("name", Kind::Text, "letters, digits, - and _, unique in the account"),
            needed("region", Kind::Text, "the provider's region"),
            needed("dimensions", Kind::Int, "numbers of a vector"),
            needed("metric", Kind::Text, "cosine, dot or euclid"),
            needed("marks", Kind::Texts, "what a thing of ours is recognised by"),
        ],
        outputs: &[
            needed("id", Kind::Text, "the provider's identity"),
            optional("name", Kind::Text, "its name at the provider"),
            optional("dimensions", Kind::Int, "numbers of a vector"),
            optional("points", Kind::Int, "how many points it holds"),
            optional("state", Kind::State, "whether it can be asked"),
            optional("marks", Kind::Texts, "what it is recognised by"),
        ],
        states: &["Creating", "Ready", "Failed", "Unknown"],
        needs: &["create", "read", "list", "delete"],
        verbs: &[],
    }],
    catalogs: &[CatalogContract {
        name: "models",
        columns: &[
            needed("name", Kind::Text, "the provider's name"),
            optional("title", Kind::Text, "what people call it"),
            optional("contextTokens", Kind::Int, "tokens that it can look at"),
            optional("inputPrice", Kind::Decimal, "price of a million tokens read"),
            optional("outputPrice", Kind::Decimal, "price of a million tokens written"),
            optional("currency", Kind::Currency, "of the prices"),
        ],
    }],
    actions: &[
        ActionContract {
            name: "complete",
            about: "answers a prompt",
            does: Does::Spend,
            inputs: PROMPT,
            outputs: COMPLETION,
            states: FINISHES,
            example: PROMPT_EXAMPLE,
            ..ACTION
        },
        ActionContract {
            name: "stream",
            about: "answers a prompt piece by piece",
            does: Does::Spend,
            inputs: PROMPT,
            outputs: COMPLETION,
            states: FINISHES,
            streams: true,
            example: PROMPT_EXAMPLE,
            ..ACTION
        },
        ActionContract {
            name: "embed",
            about: "gives each text a vector",
            does: Does::Spend,
            inputs: &[MODEL, needed("texts", Kind::Texts, "the texts")],
            outputs: &[
                needed("vectors", Kind::Vectors, "in the order of the texts"),
                optional("inputTokens", Kind::Int, "tokens read"),
            ],
            example: r#"{"model": "model-1", "texts": ["Ready?", "Steady?"]}"#,
            ..ACTION
        },
        ActionContract {
            name: "transcribe",
            about: "writes a recording down",
            does: Does::Spend,
            inputs: &[
                MODEL,
                needed("filename", Kind::Text, "its ending says the format"),
                needed("contentType", Kind::Text, "its media type"),
                needed("base64", Kind::Text, "its content in base64"),
                optional("language", Kind::Text, "ISO 639-1"),
            ],
            outputs: &[optional("text", Kind::Text, "what was said")],
            example: r#"{"model": "model-1", "filename": "cue.wav", "contentType": "audio/wav",
                "base64": "UklGRg=="}"#,
            ..ACTION
        },
        ActionContract {
            name: "moderate",
            about: "says whether a text is harmful",
            inputs: &[needed("text", Kind::Text, "the text")],
            outputs: &[
                needed("flagged", Kind::Bool, "whether anything is wrong with it"),
                optional("categories", Kind::Texts, "what, in the provider's words"),
            ],
            example: r#"{"text": "Doors open in 10 minutes"}"#,
            ..ACTION
        },
        ActionContract {
            name: "upsert",
            about: "puts points into a collection",
            does: Does::Change("collection"),
            inputs: &[needed(
                "points",
                Kind::Maps(&["id", "vector", "payload"]),
                "id (a UUID), vector, payload",
            )],
            example: r#"{"points": [{"id": "4f9e2b1c-0f5b-4f6e-9d5a-2f6b8c1d7e10",
                "vector": [0.5, 0.25, 0.75], "payload": {"cue": "intro"}}]}"#,
            ..ACTION
        },
        ActionContract {
            name: "query",
            about: "finds the points nearest to a vector",
            does: Does::Ask(Some("collection")),
            inputs: &[
                needed("vector", Kind::Numbers, "the vector"),
                needed("limit", Kind::Int, "the most points that are wanted"),
            ],
            outputs: &[needed(
                "matches",
                Kind::Maps(&["id", "score", "payload"]),
                "id, score, payload; the nearest first",
            )],
            example: r#"{"vector": [0.5, 0.25, 0.75], "limit": 3}"#,
            ..ACTION
        },
        ActionContract {
            name: "forget",
            about: "takes points out of a collection",
            does: Does::Change("collection"),
            inputs: &[needed("ids", Kind::Texts, "the points' identities")],
            example: r#"{"ids": ["4f9e2b1c-0f5b-4f6e-9d5a-2f6b8c1d7e10"]}"#,
            ..ACTION
        },
    ],
};
