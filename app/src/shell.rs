//! The static shell: a picture of the page's first moment, in `app/web/shell.html`, which is painted before any module has come.
//!
//! It has the boxes that the page will have, so that nothing moves when the page takes its place, and the curves of the recorded run. It is
//! made here, of the page's own words, drawings and run; the test below holds the file against that, so that it cannot go stale.

use sparring_core::config::{ExperimentConfig, Method};
use sparring_figures::html::escape;

use crate::model::chart::{Figure, KeyItem, View};
use crate::model::race::{Curve, Race};
use crate::model::replay::{Player, Recording, SPEEDS, Source};
use crate::page::place::Place;
use crate::page::ring::replay::{About, play_words};
use crate::page::ring::scoreboard::{self, Score};
use crate::words::{keys, kit, places, ring, runs, settings, shell as words};

/// Widths of the chart on a desktop and on a phone; in between its drawing is scaled.
const WIDTHS: [(&str, f64); 2] = [("on-desk", 700.0), ("on-phone", 334.0)];

/// Where a race stands in a run, from 0 to 1.
fn at(recording: &Recording, place: f64) -> (Player, Race) {
    let (mut player, mut race) = (Player::new(recording.clone(), Source::Recorded), Race::default());
    player.seek(place, &mut race);
    if place == 0.0 {
        player.toggle(&mut race);
    }
    (player, race)
}

/// Controls that cannot be used yet.
fn still(html: &str) -> String {
    let disabled = |html: String, control: &str| html.replace(&format!("<{control}"), &format!("<{control} disabled"));
    ["button", "input", "select"].into_iter().fold(html.to_owned(), disabled)
}

fn button(class: &str, words: &str) -> String {
    format!("<button type=\"button\" class=\"{class}\">{words}</button>")
}

/// As wide as its widest option, like the page's.
fn select(name: &str, options: &[(&str, &str)]) -> String {
    let options: String = options.iter().map(|(value, label)| format!("<option value=\"{value}\">{}</option>", escape(label))).collect();
    format!("<select aria-label=\"{name}\">{options}</select>")
}

/// A reason why the page does not come, for start.js to show.
fn failure(id: &str, (title, message): (&str, &str)) -> String {
    format!(
        "<div class=\"failure\" role=\"alert\" id=\"{id}\" hidden><h2>{title}</h2><p>{message}</p><p><code></code></p><p><a href=\"\">{}</a></p></div>",
        words::RELOAD
    )
}

/// The bar of the run that is shown.
fn replay(player: &Player) -> String {
    let about = About::of(player).unwrap_or_default();
    let speed = |speed: &f64| {
        let chosen = if *speed == player.speed() { " selected" } else { "" };
        format!("<option value=\"{speed}\"{chosen}>{speed}\u{d7}</option>")
    };
    format!(
        "<p><b>{name}</b> <span>{origin}</span></p>\
         <div class=\"row\"><button type=\"button\">{play}</button>\
         <input type=\"range\" min=\"0\" max=\"1000\" value=\"{at:.0}\" aria-label=\"{place}\">\
         <select aria-label=\"{speed}\">{speeds}</select>\
         <span class=\"quiet\">{pace}</span>\
         <button type=\"button\">{train}</button></div>",
        name = escape(&about.name),
        origin = escape(&about.origin),
        play = play_words(player),
        at = player.at() * 1000.0,
        place = runs::PLACE,
        speed = runs::SPEED,
        speeds = SPEEDS.iter().map(speed).collect::<String>(),
        pace = about.pace,
        train = runs::TRAIN,
    )
}

fn header() -> String {
    let menu: String = Place::ALL
        .iter()
        .map(|place| {
            let here = if *place == Place::default() { "page" } else { "false" };
            format!("<a href=\"#{}\" aria-current=\"{here}\">{}</a>", place.name(), place.label())
        })
        .collect();
    format!(
        "<header class=\"top\"><h1>Sparr<span class=\"ing\">ing</span></h1><p>{}</p>\
         <nav class=\"places\" aria-label=\"{}\">{menu}</nav>{}<label class=\"theme\"><span>{}</span>{}</label></header>",
        ring::SLOGAN,
        places::MENU,
        button("small keys-button", keys::BUTTON),
        ring::COLOURS,
        select(ring::COLOURS, &ring::THEMES),
    )
}

/// The experiment of a first visit in its sentence.
fn sentence(config: &ExperimentConfig) -> String {
    let select = |name: &str, value: &str| select(name, &[("", value)]);
    let sparse = config.learners.iter().filter(|learner| learner.method != Method::Dense);
    let sparse = sparse.map(|l| {
        format!("{}{}{}", select(settings::METHOD, l.method.title()), settings::AT, select(settings::DENSITY, &l.density.to_string()))
    });
    format!(
        "<p class=\"sentence\">{} {}{}, <span>{},</span>{}{}{}<span>{},</span>{}<span>{}.</span> {}</p>",
        settings::TRAIN,
        sparse.collect::<Vec<_>>().join(settings::AND),
        settings::AGAINST_DENSE,
        select(settings::NETWORK, &settings::model(config.model)),
        settings::ON,
        select(settings::PART, &settings::subset(config.subset)),
        settings::OF,
        select(settings::DATASET.label, &settings::value("dataset", config.dataset.name())),
        settings::FOR,
        select(settings::EPOCHS.label, &settings::epochs(&config.epochs.to_string())),
        button("small", settings::MORE),
    )
}

fn controls() -> String {
    format!(
        "<div class=\"controls\">{}{}{}<div class=\"finer\">{}{}\
         <div class=\"setting\"><label class=\"field load\"><span>{} <em>100%</em></span><input type=\"range\" value=\"100\"></label>\
         <details class=\"why\"><summary aria-label=\"{}\">?</summary><p>{}</p></details></div></div></div>",
        button("primary", ring::TRAIN),
        button("", ring::STOP),
        button("", ring::RESET),
        button("", ring::STEP),
        select(ring::STRIDE, &ring::STRIDES),
        ring::LOAD,
        kit::why(ring::LOAD),
        ring::LOAD_WHY,
    )
}

fn chart(start: &Race, end: &Race, others: &[Race]) -> String {
    let shown = end.natural_series();
    let curves = Curve::ALL.iter().filter(|c| !matches!(c, Curve::Robust | Curve::Corrupted) || end.shows(**c));
    let curve = |curve: &Curve| {
        let checked = if *curve == shown { " checked" } else { "" };
        format!("<label class=\"chip\"><input type=\"radio\" name=\"curve\"{checked}>{}</label>", curve.label())
    };
    let toggle = |label| format!("<button type=\"button\" class=\"chip\" aria-pressed=\"false\">{label}</button>");
    let chips: String = curves.map(curve).chain([ring::LOG, ring::AGAINST_FLOPS].map(toggle)).collect();
    let races: Vec<&Race> = others.iter().chain([end]).collect();
    let figure = Figure::of(&races, View::at(shown), end.epochs);
    let key = Figure::of(&[start], View::at(Curve::Train), end.epochs).key(None);
    let item = |KeyItem { sample, label, value }: &KeyItem| format!("<li><i>{sample}</i><span>{}</span><b>{value}</b></li>", escape(label));
    let key = key.iter().map(item).collect::<String>() + "<li class=\"place\"></li>";
    let drawings: String =
        WIDTHS.iter().map(|(class, width)| format!("<div class=\"drawing {class}\">{}</div>", figure.svg(*width, None))).collect();
    format!(
        "<div class=\"chips\">{chips}</div><ul class=\"key\">{key}</ul>\
         <div class=\"chart\" role=\"img\" aria-label=\"{}\">{drawings}<p class=\"empty late\">{}</p></div>\
         <details class=\"table\"><summary>{}</summary></details>",
        escape(&figure.summary()),
        words::LATE,
        ring::BEHIND,
    )
}

fn scoreboard(race: &Race) -> String {
    let corner = |Score { tone, score, caption, network }: Score| {
        let (class, score) = score.map_or((" class=\"none\"", ring::NO_SCORE.into()), |score| ("", score));
        format!(
            "<div class=\"score {}\"><strong{class}>{score}</strong><span>{}</span><div class=\"in-ring\">{network}</div></div>",
            tone.class(),
            escape(&caption)
        )
    };
    let corners = scoreboard::scores(&[race], race);
    let many = if corners.len() > 2 { " many" } else { "" };
    let with_images = if race.watched.is_empty() { "" } else { " with-images" };
    let corners = corners.into_iter().map(corner).collect::<String>();
    format!("<div class=\"scoreboard{many}{with_images}\">{corners}{}</div>", shots(race))
}

/// The images between the corners: their places, before their pictures have come.
fn shots(race: &Race) -> String {
    match race.watched.len() {
        0 => String::new(),
        count => format!(
            "<div class=\"watched\"><div class=\"shots\"><h3>{} <b>{count}</b></h3><ul>{}</ul></div></div>",
            ring::HARD_IMAGES,
            "<li></li>".repeat(count)
        ),
    }
}

fn foot() -> String {
    let (licence, files) = words::LICENCE;
    let files = files.map(|(name, file)| format!("<a href=\"{file}\">{name}</a>")).join(" or ");
    format!(
        "<footer class=\"foot\" aria-label=\"{}\"><!-- source --><a href=\"{}\">{}</a><details><summary>{}</summary><pre>{}</pre></details><span>{licence} {files}</span></footer>",
        words::FOOT,
        words::PAPER_ADDRESS,
        words::PAPER,
        words::CITE,
        escape(words::CITATION),
    )
}

/// The shell with this run.
fn html(recording: &Recording) -> String {
    let ((player, start), (ended, end)) = (at(recording, 0.0), at(recording, 1.0));
    let failures = [
        failure("not-able", words::NOT_ABLE),
        failure("not-here", words::NOT_HERE),
        format!("<noscript><div class=\"failure\"><h2>{}</h2><p>{}</p></div></noscript>", words::NO_SCRIPT.0, words::NO_SCRIPT.1),
    ];
    let card = |title: &str| format!("<div class=\"card\"><h2>{title}</h2></div>");
    let page = format!(
        "<a class=\"skip\" href=\"#experiment\">{skip}</a>{header}\n\
         <main class=\"lab\" data-place=\"ring\" data-form=\"closed\" aria-busy=\"true\">\n\
         <section class=\"experiment\" id=\"experiment\" tabindex=\"-1\" aria-label=\"{about_it}\"><div class=\"card\"><h2 class=\"visually-hidden\">{about_it}</h2>\n\
         {sentence}\n\
         <div class=\"going\">{controls}\
         <div class=\"standing\"><p class=\"line\" data-phase=\"starting\">{coming}</p><progress class=\"waiting\" max=\"1\" value=\"0\" aria-label=\"{progress}\"></progress><p class=\"quiet\"></p></div></div>\n\
         <div class=\"remarks\"></div>\n\
         <div class=\"replay\">{replay}</div>\n\
         {failures}\n\
         </div></section>\n\
         <section class=\"ring\" aria-label=\"{region}\"><div class=\"card ringside\"><h2 class=\"visually-hidden\">{region}</h2>\n\
         <div class=\"scoring\">{scoreboard}<p class=\"verdict\">{about}</p></div>\n\
         <div>{chart}</div>\n\
         </div></section>\n\
         <section class=\"before\" aria-label=\"{settings}\">{hard}{corners}</section>\n\
         <section class=\"after\" aria-label=\"{numbers}\">{honest}{take}</section>\n\
         </main>",
        skip = ring::SKIP,
        header = header(),
        region = ring::RING,
        about_it = ring::EXPERIMENT,
        sentence = sentence(&recording.config),
        controls = controls(),
        coming = words::COMING,
        progress = ring::PROGRESS,
        replay = replay(&player),
        failures = failures.concat(),
        scoreboard = scoreboard(&start),
        about = words::ABOUT,
        chart = chart(&start, &end, &ended.others(&end)),
        settings = ring::SETTINGS,
        hard = card(settings::HARD),
        corners = card(settings::CORNERS),
        numbers = ring::NUMBERS,
        honest = card(ring::HONEST),
        take = card(ring::TAKE),
    );
    format!(
        "<!-- Made by app/src/shell.rs, whose test says how. -->\n<div id=\"page\" class=\"shell\">\n{}\n</div>\n{}\n",
        still(&page),
        foot()
    )
}

#[test]
fn the_shell_is_what_the_page_would_show() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = std::fs::read(here.join("../public/runs/builtin.json")).expect("the recorded run");
    let made = html(&Recording::read(&run).expect("a run"));
    let file = here.join("web/shell.html");
    if std::env::var_os("SPARRING_WRITE").is_some() {
        std::fs::write(&file, &made).expect("the shell is written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == made,
        "app/web/shell.html is not what its words and the recorded run make: SPARRING_WRITE=1 cargo test -p sparring-app shell"
    );
}
