//! The models, by name.

use crate::named_enum;

named_enum! {
    /// A network of the zoo.
    pub enum Model ("model") {
        /// Three small convolutions; for tests and phones.
        Tiny = "tiny",
        /// CIFAR ResNet-20 with option-A shortcuts.
        ResNet20 = "resnet20",
        /// CIFAR ResNet-32.
        ResNet32 = "resnet32",
        /// CIFAR ResNet-44.
        ResNet44 = "resnet44",
        /// CIFAR ResNet-56.
        ResNet56 = "resnet56",
        /// ResNet18 with a 3x3 stem.
        ResNet18 = "resnet18",
        /// ResNet34 with a 3x3 stem.
        ResNet34 = "resnet34",
        /// VGG16-D with BatchNorm.
        Vgg16 = "vgg16",
        /// Two hidden layers, 1024 and 512.
        Mlp = "mlp",
    }
}
