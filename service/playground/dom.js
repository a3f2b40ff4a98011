// Elements, made and found. Everything that is shown goes in as text, never as markup.
// Entry points: `element`, `found`, `fill`, `show`.

/** Return an element with these properties ("class" and "data-..." too) and children: elements or texts. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Return the element with this id, which the page has. */
export function found(id) {
  return document.getElementById(id);
}

/** Put these children in the place of all that an element holds. */
export function fill(holder, ...children) {
  holder.replaceChildren(...children);
}

/** Show an element, or hide it. */
export function show(shown, isShown = true) {
  shown.hidden = !isShown;
}
