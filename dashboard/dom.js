// Elements without HTML: text only ever becomes a text node, so that the name of a route cannot become markup.

const SVG = 'http://www.w3.org/2000/svg'

/**
 * An element. `properties`: `on…` are listeners, `true` and `false` set and leave out an attribute, `undefined` is left out.
 * @param {string} name
 * @param {object} [properties]
 * @param {...(Node | string | number | null | undefined)} children
 */
export function h (name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children)
}

/** An element of SVG. */
export function svg (name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children)
}

/** Puts `children` in place of what is in `parent`. */
export function replace (parent, ...children) {
  parent.replaceChildren(...children.flat(3).filter(isThere).map(asNode))
  return parent
}

/** Sets a text where it differs, so that nothing is announced or repainted without a reason. */
export function say (node, text) {
  const shown = plain(text)
  if (node.textContent !== shown) node.textContent = shown
}

/** Calls `build` when `value` is another one than at the last call for this `node`. */
export function whenChanged (node, value, build) {
  const key = JSON.stringify(value) ?? ''
  if (seen.get(node) === key) return
  seen.set(node, key)
  build()
}

const seen = new WeakMap()

function fill (element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.flat(3).filter(isThere).map(asNode))
  return element
}

function isThere (child) {
  return child !== undefined && child !== null && child !== false
}

function asNode (child) {
  return child instanceof Node ? child : document.createTextNode(plain(String(child)))
}

/** Without letters that are not seen but turn the direction of those after them: a name must not look like another. */
function plain (text) {
  return text.replace(UNSEEN, '\ufffd')
}

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g
