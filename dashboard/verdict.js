// The verdict at the top of a page.

import { h, replace, say, whenChanged } from './dom.js'
import { VERDICTS, verdictDetails, verdictSentence } from './words.js'

/** The verdict in large letters. */
export function verdictBlock (link) {
  const sign = h('span', { class: 'sign', 'aria-hidden': 'true' })
  const word = h('span', { class: 'word' })
  const sentence = h('h1')
  const details = h('ul', { class: 'details' })
  const element = h('section', { class: 'verdict', 'aria-label': 'Verdict' }, h('p', { class: 'kicker' }, sign, word), sentence, details)
  return {
    element,
    update ({ report }) {
      const known = VERDICTS[report.verdict] ?? { sign: '·', word: report.verdict }
      element.dataset.verdict = report.verdict
      say(sign, known.sign)
      say(word, known.word)
      const parts = verdictSentence(report)
      whenChanged(sentence, parts, () => replace(sentence, parts.map(sentencePart(link))))
      const said = verdictDetails(report)
      whenChanged(details, said, () => replace(details, said.map((text) => h('li', {}, text))))
    }
  }
}

function sentencePart (link) {
  return (part) => typeof part === 'string' ? part : part.route === undefined ? h('span', { class: 'more' }, part.more) : h('a', { href: link(part.route) }, part.route)
}
