'use strict'

// Whether the probe itself is flat: the growth of each level over the run, by the median of all pairs' slopes with its interval
// (Theil and Sen), as the product judges an application. A level grows when the interval is above zero and the amount matters.

const MB = 1_000_000

/** What is judged, and what growth over the whole run is none: garbage, pages that an allocator keeps, a connection more or less. */
const LEVELS = {
  ownBytes: { unit: 'bytes', slack: 0.5 * MB },
  floorBytes: { unit: 'bytes', slack: 2 * MB },
  externalBytes: { unit: 'bytes', slack: 4 * MB },
  rssBytes: { unit: 'bytes', slack: 40 * MB },
  descriptors: { unit: '', slack: 4 },
  threads: { unit: '', slack: 2 },
  children: { unit: '', slack: 1 },
  diskBytes: { unit: 'bytes', slack: 2 * MB }
}
/** Floors that are asked for again: a thread that just starts or is kept from its CPU does not come to rest in time. */
const REFUSALS = ['error: a freeze was refused', 'error: a shadow gave no floor']
const REFUSED_SHARE = 0.5
/** The interval's half width in standard deviations. */
const Z = 1.96
/** Pairs grow by the square: longer series are thinned out evenly. */
const MOST_POINTS = 400

/** The growth over the whole span: `{ growth, low, high }`; undefined with fewer than 8 points. Values that are missing are left out. */
function growthOf (points) {
  const known = points.filter(([, value]) => value !== undefined && value !== null)
  if (known.length < 8) return undefined
  const step = Math.ceil(known.length / MOST_POINTS)
  const series = known.filter((_, index) => index % step === 0)
  const slopes = []
  for (let i = 0; i < series.length; i++) {
    for (let k = i + 1; k < series.length; k++) slopes.push((series[k][1] - series[i][1]) / (series[k][0] - series[i][0]))
  }
  slopes.sort((a, b) => a - b)
  const n = series.length
  const half = Z * Math.sqrt(n * (n - 1) * (2 * n + 5) / 18) / 2
  const at = (index) => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(index)))]
  const middle = (slopes.length - 1) / 2
  const span = series.at(-1)[0] - series[0][0]
  return { growth: at(middle) * span, low: at(middle - half) * span, high: at(middle + half) * span }
}

/** Every level with its growth and whether that is growth of the probe. */
function judgeLevels (readings) {
  return Object.entries(LEVELS).map(([name, { unit, slack }]) => {
    const values = readings.map((reading) => reading[name]).filter((value) => value !== undefined && value !== null)
    const found = growthOf(readings.map((reading) => [reading.atMs, reading[name]]))
    return { name, unit, slack, first: values[0], last: values.at(-1), ...found, grows: found !== undefined && found.low > 0 && found.growth > slack }
  })
}

/** What went wrong, one sentence each. */
function judge ({ levels, ended: { seen, cost, leaks, threadsLeft, hypotheses }, clients }) {
  const wrong = levels.filter(({ grows }) => grows).map(({ name, growth, low, high }) => `${name} grew by ${Math.round(growth)} (${Math.round(low)} to ${Math.round(high)})`)
  const refused = REFUSALS.reduce((sum, what) => sum + (cost.dropped[what] ?? 0), 0)
  if (refused > REFUSED_SHARE * (cost.freezes + refused)) wrong.push(`${refused} floors were refused or not answered, ${cost.freezes} were`)
  const dropped = Object.entries(cost.dropped).filter(([what, count]) => count > 0 && !REFUSALS.includes(what))
  if (dropped.length > 0) wrong.push(`dropped: ${dropped.map(([what, count]) => `${count} ${what}`).join(', ')}`)
  if (seen.errors.length > 0) wrong.push(`errors in the server: ${seen.errors.join('; ')}`)
  if (clients.failed > 0) wrong.push(`${clients.failed} requests failed: ${clients.errors.join('; ')}`)
  if (seen.captures === 0 || seen.answeredShadows < seen.captures - seen.failedCaptures) wrong.push(`${seen.answeredShadows} of ${seen.captures} shadows answered`)
  if (clients.answered === 0 || seen.reads === 0 || seen.workers === 0) wrong.push('no load: nothing was shown')
  for (const { route, resource, perRequest } of leaks) wrong.push(`a leak was reported of a server without any: ${route}, ${resource}, ${perRequest.value}`)
  for (const { name, state, because } of hypotheses) if (/leak/.test(name) && state === 'supported') wrong.push(`${name} is supported: ${because}`)
  if (threadsLeft.length > 0) wrong.push(`threads after stop(): ${threadsLeft.join(', ')}`)
  return wrong
}

module.exports = { growthOf, judge, judgeLevels }
