'use strict'

/** The errors in valgrind's XML: how many, and as text those with a frame in the addon. */
function errorsIn (xml) {
  const errors = [...xml.matchAll(/<error>[^]*?<\/error>/g)].map(([error]) => error)
  const ours = errors.filter((error) => /<obj>[^<]*leakprobe[^<]*\.node<\/obj>/.test(error)).map(asText)
  return { all: errors.length, ours }
}

function asText (error) {
  const field = (text, name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
  const what = field(error, 'what') ?? field(error, 'text')
  const frames = [...error.matchAll(/<frame>[^]*?<\/frame>/g)].map(([frame]) => `    ${field(frame, 'fn') ?? field(frame, 'ip')} (${field(frame, 'file') ?? field(frame, 'obj')}:${field(frame, 'line') ?? '?'})`)
  return [`${field(error, 'kind')}: ${what}`, ...frames].join('\n')
}

module.exports.errorsIn = errorsIn
