'use strict'

// Servers from npm that are not ours. Each: `prepare(directory)` writes what it wants to find, `reset(directory)` does so before every run, `command(directory, port)` says how it is started,
// `fill(ask)` makes what is asked for later, and `requests` are asked again and again, in turn.

const { execFileSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')

const bin = (name) => path.join(__dirname, 'node_modules', '.bin', name)
const write = (directory, name, content) => {
  const file = path.join(directory, name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
}
const range = (count) => Array.from({ length: count }, (_, index) => index)
const get = (url, headers) => ({ method: 'GET', path: url, headers })

const verdaccio = {
  name: 'verdaccio',
  prepare (directory) {
    write(directory, 'config.yaml', [
      `storage: ${path.join(directory, 'storage')}`, 'auth: { htpasswd: { file: ./htpasswd, max_users: 10 } }', 'uplinks: {}', 'userRateLimit: { windowMs: 1000, max: 100000 }',
      "packages: { '**': { access: $all, publish: $all } }", 'log: { type: stdout, format: json, level: fatal }', 'web: { enable: true, rateLimit: { windowMs: 1000, max: 100000 } }'
    ].join('\n'))
  },
  command: (directory, port) => ({ script: bin('verdaccio'), args: ['--config', path.join(directory, 'config.yaml'), '--listen', `127.0.0.1:${port}`] }),
  async fill (ask) {
    for (const index of range(30)) {
      const name = `made-${index}`
      const tarball = Buffer.alloc(20_000, index)
      const version = { name, version: '1.0.0', description: 'made', dist: { shasum: createHash('sha1').update(tarball).digest('hex'), tarball: `http://127.0.0.1/${name}/-/${name}-1.0.0.tgz` } }
      await ask({
        method: 'PUT',
        path: `/${name}`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          _id: name,
          name,
          'dist-tags': { latest: '1.0.0' },
          'versions': { '1.0.0': version },
          '_attachments': { [`${name}-1.0.0.tgz`]: { content_type: 'application/octet-stream', data: tarball.toString('base64'), length: tarball.length } }
        })
      })
    }
  },
  requests: [
    ...range(30).flatMap((index) => [get(`/made-${index}`), get(`/made-${index}/-/made-${index}-1.0.0.tgz`), get(`/-/package/made-${index}/dist-tags`)]),
    get('/-/v1/search?text=made'), get('/'), get('/-/ping'), get('/nothing-of-this-name')
  ],
  wanted: ['GET /:package/:version?', 'GET /:package/-/:filename']
}

const jsonServer = {
  name: 'json-server',
  reset (directory) {
    write(directory, 'db.json', { posts: range(200).map((id) => ({ id: id + 1, title: `title ${id}`, author: id % 7 })), comments: range(50).map((id) => ({ id: id + 1, postId: id % 20 + 1, body: 'some words' })) })
  },
  command: (directory, port) => ({ script: bin('json-server'), args: ['--quiet', '--host', '127.0.0.1', '--port', `${port}`, path.join(directory, 'db.json')] }),
  requests: [
    ...range(40).map((index) => get(`/posts/${index + 1}`)), get('/posts?author=3&_sort=title'), get('/posts/5/comments'), get('/comments?_page=2'), get('/posts/99999'),
    { method: 'PUT', path: '/posts/7', headers: { 'content-type': 'application/json' }, body: '{"title":"changed","author":1}' }
  ],
  wanted: ['GET /posts/:id']
}

const nodeRed = {
  name: 'node-red',
  prepare (directory) {
    write(directory, 'settings.js', 'module.exports = { uiHost: "127.0.0.1", logging: { console: { level: "off" } }, flowFile: "flows.json", editorTheme: { tours: false }, telemetry: { enabled: false } }')
    write(directory, 'flows.json', [
      { id: 'tab', type: 'tab', label: 'flow' },
      { id: 'in', type: 'http in', z: 'tab', url: '/users/:id', method: 'get', wires: [['work']] },
      { id: 'work', type: 'function', z: 'tab', func: 'msg.payload = { id: msg.req.params.id, words: "some ".repeat(20) }; return msg', outputs: 1, wires: [['out']] },
      { id: 'out', type: 'http response', z: 'tab', wires: [] }
    ])
  },
  command: (directory, port) => ({ script: bin('node-red'), args: ['--userDir', directory, '--port', `${port}`, '--settings', path.join(directory, 'settings.js')] }),
  requests: [...range(40).map((index) => get(`/users/${index}`)), get('/settings'), get('/flows'), get('/nodes', { accept: 'application/json' }), get('/'), get('/nothing')],
  wanted: ['GET /users/:id']
}

const peer = {
  name: 'peer',
  command: (_, port) => ({ script: bin('peerjs'), args: ['--port', `${port}`, '--host', '127.0.0.1', '--allow_discovery'] }),
  requests: [get('/'), get('/peerjs/peers'), get('/nothing'), get('/peerjs/id', { 'x-length-only': '1' })],
  wanted: ['GET /:key/peers']
}

const mockoon = {
  name: '@mockoon/cli',
  prepare (directory) {
    const route = (uuid, endpoint, body) => ({
      uuid, type: 'http', method: 'get', endpoint, documentation: '', responseMode: null, streamingMode: null, streamingInterval: 0, responses: [{
        uuid: `${uuid}-r`, body, latency: 0, statusCode: 200, label: '', headers: [{ key: 'content-type', value: 'application/json' }], bodyType: 'INLINE', filePath: '', databucketID: '', sendFileAsBody: false, rules: [],
        rulesOperator: 'OR', disableTemplating: false, fallbackTo404: false, default: true, crudKey: 'id', callbacks: []
      }]
    })
    const routes = [route('11111111-1111-4111-8111-111111111111', 'users/:id', '{ "id": "{{urlParam \'id\'}}" }'), route('22222222-2222-4222-8222-222222222222', 'teams', '[1, 2, 3]')]
    write(directory, 'mock.json', {
      uuid: '33333333-3333-4333-8333-333333333333', lastMigration: 33, name: 'mock', endpointPrefix: '', latency: 0, port: 3000, hostname: '127.0.0.1', routes, folders: [],
      rootChildren: routes.map(({ uuid }) => ({ type: 'route', uuid })), proxyMode: false, proxyHost: '', proxyRemovePrefix: false, cors: true, headers: [], proxyReqHeaders: [], proxyResHeaders: [], data: [], callbacks: [],
      tlsOptions: { enabled: false, type: 'CERT', pfxPath: '', certPath: '', keyPath: '', caPath: '', passphrase: '' }
    })
  },
  command: (directory, port) => ({ script: bin('mockoon-cli'), args: ['start', '--data', path.join(directory, 'mock.json'), '--port', `${port}`, '--disable-log-to-file', '--disable-admin-api'] }),
  requests: [...range(30).map((index) => get(`/users/${index}`)), get('/teams'), get('/nothing')],
  // It has a router of its own behind one catch-all of express.
  wanted: ['GET /*']
}

const next = {
  name: 'next',
  prepare (directory) {
    write(directory, 'package.json', { private: true })
    write(directory, 'pages/index.js', 'export default function Home ({ now }) { return <ul>{now.map((one) => <li key={one}>{one}</li>)}</ul> }\nexport const getServerSideProps = () => ({ props: { now: Array.from({ length: 50 }, (_, i) => `row ${i}`) } })\n')
    write(directory, 'pages/api/users/[id].js', 'export default function handler (req, res) { res.json({ id: req.query.id }) }\n')
    fs.symlinkSync(path.join(__dirname, 'node_modules'), path.join(directory, 'node_modules'))
    execFileSync(process.execPath, [bin('next'), 'build', '--webpack', directory], { stdio: 'pipe', env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' } })
  },
  command: (directory, port) => ({ script: bin('next'), args: ['start', directory, '--hostname', '127.0.0.1', '--port', `${port}`], env: { NEXT_TELEMETRY_DISABLED: '1' } }),
  requests: [...range(40).map((index) => get(`/api/users/${index}`)), get('/'), get('/nothing')],
  wanted: ['GET /api/users/:id']
}

module.exports = [verdaccio, jsonServer, nodeRed, peer, mockoon, next]
