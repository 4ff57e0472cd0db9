//! What a pickle may hold: containers, numbers, strings, storages and tensors, the names that stand for them, and whatever else it
//! mentions, as opaque values.

use super::Element;

/// Index of a value in a pickle's arena.
pub(super) type Ref = u32;

/// How the elements of a storage are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// As numbers that can be read.
    As(Element),
    /// Otherwise: PyTorch's name of the type, and the bytes an element takes.
    Otherwise(&'static str, usize),
}

impl Stored {
    pub(super) fn size(self) -> usize {
        match self {
            Self::As(element) => element.size(),
            Self::Otherwise(_, size) => size,
        }
    }
    fn find(storage: &str) -> Option<Self> {
        Some(match storage {
            "DoubleStorage" => Self::As(Element::F64),
            "FloatStorage" => Self::As(Element::F32),
            "HalfStorage" => Self::As(Element::F16),
            "BFloat16Storage" => Self::As(Element::Bf16),
            "LongStorage" => Self::As(Element::I64),
            "IntStorage" => Self::As(Element::I32),
            "ShortStorage" => Self::As(Element::I16),
            "CharStorage" => Self::As(Element::I8),
            "ByteStorage" => Self::As(Element::U8),
            "BoolStorage" => Self::As(Element::Bool),
            "ComplexDoubleStorage" => Self::Otherwise("complex128", 16),
            "ComplexFloatStorage" => Self::Otherwise("complex64", 8),
            "QInt8Storage" => Self::Otherwise("qint8", 1),
            "QUInt8Storage" => Self::Otherwise("quint8", 1),
            "QInt32Storage" => Self::Otherwise("qint32", 4),
            "QUInt4x2Storage" => Self::Otherwise("quint4x2", 1),
            "QUInt2x4Storage" => Self::Otherwise("quint2x4", 1),
            "UntypedStorage" => Self::Otherwise("bytes", 1),
            _ => return None,
        })
    }
}

/// A callable or type that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    OrderedDict,
    DefaultDict,
    Set,
    Size,
    RebuildTensor,
    /// Of an element type newer than storages with a type.
    RebuildTyped,
    RebuildParameter,
    RebuildFromType,
    RebuildSparse,
    RebuildQuantised,
    /// Of a tensor that lies in no storage.
    RebuildOtherwise,
    Layout,
    Storage(Stored),
    Numpy(Callable),
}

impl Name {
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("collections", "defaultdict") => Self::DefaultDict,
            ("builtins" | "__builtin__", "set" | "frozenset") => Self::Set,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::RebuildTyped,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::RebuildParameter,
            ("torch._tensor", "_rebuild_from_type" | "_rebuild_from_type_v2") => Self::RebuildFromType,
            ("torch._utils", "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor") => Self::RebuildSparse,
            ("torch._utils", "_rebuild_qtensor") => Self::RebuildQuantised,
            ("torch._utils", other) if other.starts_with("_rebuild_") => Self::RebuildOtherwise,
            ("torch.serialization", "_get_layout") => Self::Layout,
            ("torch" | "torch.cuda" | "torch.storage", storage) => Self::Storage(Stored::find(storage)?),
            _ => Self::Numpy(Callable::find(module, name)?),
        })
    }
}

/// Whether a name is one that only a file made to run code asks for. Nothing here is called, but whoever has such a file should know.
pub(super) fn runs_code(module: &str, name: &str) -> bool {
    const MODULES: [&str; 15] = [
        "os",
        "posix",
        "nt",
        "subprocess",
        "sys",
        "shutil",
        "socket",
        "runpy",
        "importlib",
        "pty",
        "webbrowser",
        "ctypes",
        "pickle",
        "_pickle",
        "marshal",
    ];
    const BUILTINS: [&str; 8] = ["eval", "exec", "execfile", "compile", "open", "__import__", "input", "breakpoint"];
    let package = module.split('.').next().unwrap_or_default();
    let first = name.split('.').next().unwrap_or_default();
    MODULES.contains(&package) || (matches!(package, "builtins" | "__builtin__") && BUILTINS.contains(&first))
}

/// A class or function that means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foreign<'a> {
    pub(super) module: &'a str,
    pub(super) name: &'a str,
}

/// A function or type of NumPy's that a pickled array names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callable {
    /// `_reconstruct(ndarray, (0,), b'b')`; its state has the array.
    Reconstruct,
    /// `_frombuffer(buffer, dtype, shape, order)`.
    FromBuffer,
    /// The type of arrays, which is an argument.
    Array,
    /// `dtype('u1', ...)`.
    Dtype,
    /// `encode(text, 'latin1')`: how old protocols write bytes.
    Encode,
}

impl Callable {
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Self::Reconstruct,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Self::FromBuffer,
            ("numpy", "ndarray") => Self::Array,
            ("numpy", "dtype") => Self::Dtype,
            ("_codecs", "encode") => Self::Encode,
            _ => return None,
        })
    }
}

/// A call that was not made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) of: Callable,
    pub(super) arguments: Ref,
    /// What the object would be told afterwards.
    pub(super) state: Option<Ref>,
}

/// A typed run of elements that the container holds under a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) stored: Stored,
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
    /// Its values have the other sign (PyTorch's negative bit).
    pub(super) negative: bool,
}

/// A tensor by the places of its values; the other places are zero.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SparseRef<'a> {
    /// Of coordinates `[axis][value]`.
    pub(super) indices: TensorRef<'a>,
    pub(super) values: TensorRef<'a>,
    pub(super) shape: Vec<usize>,
}

/// A tensor whose values cannot be read, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unreadable<'a> {
    Quantised,
    Layout(&'a str),
    Type(&'a str),
    /// It lies in no storage.
    Elsewhere,
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
    Foreign(Box<Foreign<'a>>),
    /// What a foreign name would have made of its arguments, or of the state that followed. It is not made.
    Object {
        class: Ref,
        state: Ref,
    },
    Layout(&'a str),
    Storage(Box<Storage<'a>>),
    Tensor(Box<TensorRef<'a>>),
    Sparse(Box<SparseRef<'a>>),
    Unreadable(Unreadable<'a>),
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
            Self::Name(_) | Self::Foreign(_) => "a constructor",
            Self::Object { .. } => "an object",
            Self::Layout(_) => "a layout",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) | Self::Sparse(_) | Self::Unreadable(_) => "a tensor",
            Self::Call(_) => "an array",
        }
    }
    /// Whether it is a tensor of any form.
    pub(super) fn is_tensor(&self) -> bool {
        matches!(self, Self::Tensor(_) | Self::Sparse(_) | Self::Unreadable(_))
    }
}
