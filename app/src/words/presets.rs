//! The presets.

/// An experiment with a name.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// In links.
    pub name: &'static str,
    /// What the select says.
    pub label: &'static str,
    /// One plain sentence.
    pub about: &'static str,
    /// What differs from the defaults, as in a link.
    pub query: &'static str,
}

/// In the order of the select; the first is the default experiment.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "hard-by-nature",
        label: "Hard by nature",
        about: "The hardest half of CIFAR-10 by EL2N: a ResNet-20 with all its weights against one with a fifth of them.",
        query: "",
    },
    Preset {
        name: "hardest-built-in",
        label: "Hardest of the built-in set",
        about: "Images made in code, the hardest half of every class: no download, and some two minutes even without a GPU.",
        query: "version=1&balanced=true&batch_size=64&control=false&dataset=builtin&difficulty=0.7&epochs=10&limit_test=500&lr_schedule=cosine&update_frequency=1&width=0.25",
    },
    Preset {
        name: "quick-look",
        label: "Quick look",
        about: "Images made in code and three small convolutions: no download, done in minutes even without a GPU.",
        query: "version=1&batch_size=64&control=false&dataset=builtin&epochs=10&limit_test=1024&limit_train=2048&lr=0.05&model=tiny&subset=all",
    },
    Preset {
        name: "first-5000",
        label: "CIFAR-10, the first 5,000",
        about: "A ninth of CIFAR-10, which begins after 22 MB of 184: a ResNet-20 with all its weights against one with a fifth of them.",
        query: "version=1&control=false&epochs=10&limit_test=1000&lr_schedule=cosine&subset=first:5000",
    },
    Preset {
        name: "corrupted",
        label: "Hard by corruption",
        about: "Noise, blur, weather and digital faults on every image, in training and in the test.",
        query: "version=1&control=false&corruption=standard&subset=all",
    },
    Preset {
        name: "under-attack",
        label: "Under attack",
        about: "Every batch is attacked before it is learnt from: adversarial training, dense against sparse.",
        query: "version=1&control=false&norm=linf&subset=all&test_step=10&train_gamma=0.015686275&train_step=5&width=0.5",
    },
    Preset {
        name: "little-data",
        label: "Little data",
        about: "A tenth of the images: does having fewer weights help when there is less to learn from?",
        query: "version=1&control=false&learners=dense,set@0.2,set@0.05&p_data=0.1&subset=all",
    },
    Preset {
        name: "four-corners",
        label: "Four ways to be sparse",
        about: "A tenth of the weights, chosen once at random, by the gradient at the start, or again and again while training.",
        query: "version=1&learners=static@0.1,snip@0.1,set@0.1,rigl@0.1",
    },
    Preset {
        name: "how-sparse",
        label: "How sparse can it be",
        about: "All weights, a fifth, a twentieth and a fiftieth of them: where does it break?",
        query: "version=1&control=false&learners=dense,set@0.2,set@0.05,set@0.02",
    },
    Preset {
        name: "really-sparse",
        label: "Sparse or only masked",
        about: "The same method twice: weights that do not exist, and a dense network times a mask. Compare time and memory.",
        query: "version=1&control=false&learners=dense,set@0.1,set@0.1+masked",
    },
];
