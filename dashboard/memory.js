// Memory and the event loop over time: where resident memory is, heap and floor, collections and stalls.

import { h, replace, say, whenChanged } from './dom.js'
import { bytes, duration } from './format.js'
import { absent, perSecond, timeChart } from './charts.js'
import { historySentence, processColumns } from './history.js'
import { isLong, rangeSelect } from './range.js'

/** Parts of the memory map from the bottom up, with a colour each: one hue for a family, paler where it is free. */
const PARTS = [
  ['v8 old space', '--m1'], ['v8 new space', '--m2'], ['v8 large objects', '--m3'], ['v8 code', '--m4'], ['v8 other', '--m5'], ['v8 free', '--m6'],
  ['array buffers', '--m7'], ['malloc in use', '--m8'], ['malloc free', '--m9'], ['stacks', '--m10'], ['mapped files', '--m11'], ['other', '--m12']
]

/** @param {{ range: { minutes: number, choose: (minutes: number) => void } }} options */
export function memorySection ({ range }) {
  const map = h('div')
  const note = h('p', { class: 'note', role: 'status' })
  const heap = timeChart({
    title: 'Heap and its floor',
    format: bytes,
    series: [{ label: 'floor: live after a full collection', color: '--leak' }, { label: 'used heap', color: '--latency' }, { label: 'resident', color: '--faint', dash: [5, 4] }]
  })
  const loop = timeChart({
    title: 'Collections and the event loop',
    format: duration,
    series: [{ label: 'collections, of each second', color: '--m8' }, { label: 'longest time without a turn', color: '--m7' }]
  })
  const element = h('section', { 'aria-labelledby': 'memory-title' }, h('div', { class: 'head' }, h('h2', { id: 'memory-title' }, 'Memory and the event loop'), rangeSelect(range)), note,
    h('div', { class: 'charts' }, heap.element, loop.element, map))
  let parts
  let chart
  return {
    element,
    update ({ series, history }) {
      const long = isLong(range.minutes)
      say(note, long ? historySentence(history) : '')
      note.hidden = !long
      map.hidden = long // the history does not keep it
      const shown = long ? processColumns(history) : series
      const of = shown?.process
      if (of === undefined || (!long && shown.times.length < 2)) return
      heap.update(shown.times, [filled(of.floorBytes), of.heapUsedBytes, of.rssBytes], floorSentence(of.floorBytes, shown.times))
      loop.update(shown.times, [perSecond(of.gcPauseMs, shown.stepMs, shown.lastMs), of.loopStallMs])
      if (long) return
      const known = Object.keys(of.memoryMap ?? {})
      const order = [...PARTS.filter(([name]) => known.includes(name)), ...known.filter((name) => !PARTS.some(([part]) => part === name)).map((name) => [name, '--m12'])]
      whenChanged(map, order, () => {
        parts = order
        chart?.close()
        chart = order.length === 0 ? undefined : timeChart({ title: 'Where resident memory is', stacked: true, format: bytes, height: 230, series: order.map(([label, color]) => ({ label, color })) })
        replace(map, chart === undefined ? absent('Where resident memory is', 'The memory map cannot be read here.') : chart.element)
      })
      chart?.update(series.times, parts.map(([name]) => of.memoryMap[name]))
    },
    close () {
      for (const one of [heap, loop, chart]) one?.close()
    }
  }
}

/** Floors are rare: each holds until the next. */
function filled (values) {
  let last = null
  return values.map((value) => { last = value ?? last; return last })
}

function floorSentence (floors, times) {
  const known = floors.flatMap((value, i) => value === null || value === undefined ? [] : [[value, times[i]]])
  if (known.length < 2) return 'No floor is known yet.'
  const [first, last] = [known[0], known.at(-1)]
  return `The floor was ${bytes(first[0])}, and is ${bytes(last[0])} ${duration(last[1] - first[1])} later.`
}
