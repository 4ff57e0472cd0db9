//! Tables, drawings, and what is folded away.

use leptos::prelude::*;

use crate::model::chart::KeyItem;

/// A drawing of `sparring_figures`, which is text of SVG: it escapes what comes from outside. Nothing else is put in as markup.
#[component]
pub fn Drawing(
    /// The drawing.
    #[prop(into)]
    svg: Signal<String>,
    /// How it lies.
    #[prop(optional)]
    class: Option<&'static str>,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
) -> impl IntoView {
    // The same again would be drawn anew, and a pointer over it lost.
    let svg = Memo::new(move |_| svg.get());
    view! { <div class=class data-testid=testid inner_html=svg></div> }
}

/// Whose line is whose, under a drawing.
#[component]
pub fn Key(
    /// The lines.
    #[prop(into)]
    items: Signal<Vec<KeyItem>>,
    /// Where the drawing is read; nowhere without it.
    #[prop(optional, into)]
    place: Signal<String>,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
) -> impl IntoView {
    let item = |KeyItem { sample, label, value }: KeyItem| {
        view! {
            <li>
                <i aria-hidden="true" inner_html=sample></i>
                <span>{label}</span>
                <b>{value}</b>
            </li>
        }
    };
    view! {
        <ul class="key" data-testid=testid>
            {move || items.get().into_iter().map(item).collect_view()}
            <li class="place">{place}</li>
        </ul>
    }
}

/// What may be wider or higher than its place: it can be scrolled, by keys too.
#[component]
pub fn Scroll(
    /// What is in it.
    #[prop(into)]
    label: String,
    /// How it lies.
    #[prop(optional)]
    class: &'static str,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// The content.
    children: Children,
) -> impl IntoView {
    view! {
        <div class=format!("scroll {class}") tabindex="0" role="region" aria-label=label data-testid=testid>
            {children()}
        </div>
    }
}

/// What is there for those who ask.
#[component]
pub fn Folded(
    /// What can be unfolded.
    summary: &'static str,
    /// How it looks.
    #[prop(optional)]
    class: Option<&'static str>,
    /// The content.
    children: Children,
) -> impl IntoView {
    view! {
        <details class=class>
            <summary>{summary}</summary>
            {children()}
        </details>
    }
}

/// A table whose columns and rows have heads: of every row its first cell.
#[component]
pub fn Table<C: IntoAny + 'static>(
    /// What it shows; none where the text around says it.
    #[prop(optional, into)]
    caption: String,
    /// The heads of its columns.
    #[prop(into)]
    columns: Vec<String>,
    /// Its rows, a cell for each column.
    rows: Vec<Vec<C>>,
) -> impl IntoView {
    let row = |cells: Vec<C>| {
        let mut cells = cells.into_iter().map(IntoAny::into_any);
        let head = cells.next();
        view! {
            <tr>
                <th scope="row">{head}</th>
                {cells.map(|cell| view! { <td>{cell}</td> }).collect_view()}
            </tr>
        }
    };
    view! {
        <table>
            <TableHead caption columns />
            <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
        </table>
    }
}

/// Caption and heads of a table; a table with rows that stay while others come has it, and its own rows.
#[component]
pub fn TableHead(
    /// What the table shows; none where the text around says it.
    #[prop(optional, into)]
    caption: String,
    /// The heads of its columns.
    #[prop(into)]
    columns: Vec<String>,
) -> impl IntoView {
    view! {
        {(!caption.is_empty()).then(|| view! { <caption>{caption}</caption> })}
        <thead>
            <tr>{columns.into_iter().map(|column| view! { <th scope="col">{column}</th> }).collect_view()}</tr>
        </thead>
    }
}

/// The width that an element has on this screen, in CSS pixels.
pub fn width_of(element: NodeRef<leptos::html::Div>) -> RwSignal<f64> {
    let width = RwSignal::new(640.0);
    let measure = move || {
        if let Some(element) = element.get_untracked() {
            let now = f64::from(element.client_width());
            if now > 0.0 && (now - width.get_untracked()).abs() > 0.5 {
                width.set(now);
            }
        }
    };
    Effect::new(move || {
        element.track();
        measure();
    });
    let on_resize = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || on_resize.remove());
    width
}
