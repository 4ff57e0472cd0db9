//! The datasets by name.

use crate::names::named_enum;

named_enum! {
    /// Where the images come from.
    pub enum DatasetName ("dataset") {
        /// CIFAR-10, 50,000 + 10,000 colour images of 32x32.
        Cifar10 = "cifar10",
        /// CIFAR-100 by its 100 fine labels, 50,000 + 10,000 colour images of 32x32.
        Cifar100 = "cifar100",
        /// The same images by the 20 coarse labels.
        Cifar100Coarse = "cifar100-coarse",
        /// Tiny ImageNet, 100,000 + 10,000 colour images of 64x64, 200 classes.
        TinyImageNet = "tinyimagenet",
        /// A folder of IDX files, as MNIST comes: grey images and labels.
        Mnist = "mnist",
        /// A folder of class folders of PNG and JPEG pictures.
        Folder = "folder",
        /// The built-in procedural set: ten classes of 32x32 colour images, made in code.
        BuiltIn = "builtin",
        /// The built-in set in grey, 28x28.
        BuiltInGrey = "builtin-grey",
    }
}
