//! What a pickle may hold: containers, numbers, strings, storages and tensors, and the few names that stand for them.

use super::Element;
use super::numpy::{Call, Callable};

/// Index of a value in a pickle's arena.
pub(super) type Ref = u32;

/// A callable or type by name; only these exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    OrderedDict,
    Set,
    Size,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
    Numpy(Callable),
}

impl Name {
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("builtins" | "__builtin__", "set" | "frozenset") => Self::Set,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch" | "torch.cuda", storage) => Self::Storage(match storage {
                "DoubleStorage" => Element::F64,
                "FloatStorage" => Element::F32,
                "HalfStorage" => Element::F16,
                "BFloat16Storage" => Element::Bf16,
                "LongStorage" => Element::I64,
                "IntStorage" => Element::I32,
                "ShortStorage" => Element::I16,
                "CharStorage" => Element::I8,
                "ByteStorage" => Element::U8,
                "BoolStorage" => Element::Bool,
                _ => return None,
            }),
            _ => Self::Numpy(Callable::find(module, name)?),
        })
    }
}

/// A typed run of elements that the container holds under a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) element: Element,
    pub(super) len: usize,
    /// First element within the key's storage (legacy views), else 0.
    pub(super) view: usize,
}

/// A strided window on a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TensorRef<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) stride: Vec<usize>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits: its two's complement bytes, little-endian.
    BigInt(&'a [u8]),
    Float(f64),
    Str(&'a str),
    Bytes(&'a [u8]),
    Tuple(Vec<Ref>),
    List(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
    Name(Name),
    Storage(Storage<'a>),
    Tensor(Box<TensorRef<'a>>),
    /// A call of a function that describes an array; it is not made.
    Call(Call),
}

impl Value<'_> {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::BigInt(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Str(_) | Self::Bytes(_) => "a string",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Name(_) => "a constructor",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
            Self::Call(_) => "an array",
        }
    }
}
