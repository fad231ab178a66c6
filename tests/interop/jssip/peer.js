'use strict';
// JsSIP as a peer: takes commands and tells events, each as a line of JSON.
// node peer.js ws://127.0.0.1:5066 sip:alice@example.com [password]
//
// Node.js has no WebRTC: of it there is a connection here that describes sessions as a browser
// does, and carries no media.

const readline = require('readline');

globalThis.window = globalThis;
globalThis.WebSocket = require('ws');

class PeerConnection extends EventTarget {
  constructor() {
    super();
    this.iceConnectionState = 'connected';
    this.iceGatheringState = 'complete';
    this.signalingState = 'stable';
    this.localDescription = null;
    this.remoteDescription = null;
    this.version = 0;
  }

  description(type) {
    this.version += 1;
    const role = type === 'offer' ? 'actpass' : 'active';
    const sdp = [
      'v=0',
      `o=- 4611731400430051336 ${this.version} IN IP4 127.0.0.1`,
      's=-',
      't=0 0',
      'a=group:BUNDLE 0',
      'a=extmap-allow-mixed',
      'a=msid-semantic: WMS',
      'm=audio 9 UDP/TLS/RTP/SAVPF 111 0 126',
      'c=IN IP4 0.0.0.0',
      'a=rtcp:9 IN IP4 0.0.0.0',
      'a=ice-ufrag:8hhY',
      'a=ice-pwd:asd88fgpdd777uzjYhagZgpt',
      'a=ice-options:trickle',
      `a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}`,
      `a=setup:${role}`,
      'a=mid:0',
      'a=sendrecv',
      'a=rtcp-mux',
      'a=rtpmap:111 opus/48000/2',
      'a=fmtp:111 minptime=10;useinbandfec=1',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:126 telephone-event/8000',
      'a=candidate:1 1 udp 2122260223 127.0.0.1 40000 typ host generation 0',
      '',
    ].join('\r\n');
    return Promise.resolve({ type, sdp });
  }

  createOffer() {
    return this.description('offer');
  }

  createAnswer() {
    return this.description('answer');
  }

  setLocalDescription(description) {
    this.localDescription = description;
    return Promise.resolve();
  }

  setRemoteDescription(description) {
    this.remoteDescription = description;
    return Promise.resolve();
  }

  getSenders() {
    return [];
  }

  getReceivers() {
    return [];
  }

  close() {
    this.signalingState = 'closed';
  }
}

globalThis.RTCPeerConnection = PeerConnection;
globalThis.RTCSessionDescription = class {
  constructor(description) {
    Object.assign(this, description);
  }
};

const JsSIP = require('jssip');

function tell(event, more = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
}

const [url, aor, password] = process.argv.slice(2);
const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(url)],
  uri: aor,
  password,
  register: false,
  session_timers: false,
});
let session = null;

ua.on('connected', () => tell('connected'));
ua.on('disconnected', () => tell('disconnected'));
ua.on('registered', ({ response }) => tell('registered', { status: response.status_code }));
ua.on('unregistered', () => tell('unregistered'));
ua.on('registrationFailed', ({ cause }) => tell('refused', { cause }));
ua.on('newMessage', ({ originator, request }) => {
  if (originator === 'remote') {
    tell('message', { body: request.body, from: request.from.uri.toString() });
  }
});
ua.on('newRTCSession', ({ originator, session: begun, request }) => {
  session = begun;
  tell('session', { originator, from: request.from.uri.toString() });
  session.on('progress', ({ originator: who }) => tell('progress', { who }));
  session.on('accepted', ({ originator: who }) => tell('accepted', { who }));
  session.on('confirmed', ({ originator: who }) => tell('confirmed', { who }));
  session.on('ended', ({ originator: who, cause }) => tell('ended', { who, cause }));
  session.on('failed', ({ originator: who, cause }) => tell('failed', { who, cause }));
  session.on('hold', ({ originator: who }) => tell('hold', { who }));
  session.on('unhold', ({ originator: who }) => tell('unhold', { who }));
  session.on('newInfo', ({ originator: who, info }) => tell('info', { who, body: info.body }));
  session.on('newDTMF', ({ originator: who, dtmf }) => tell('dtmf', { who, tone: dtmf.tone }));
});

const silent = { mediaConstraints: { audio: false, video: false } };
const commands = {
  register: () => ua.register(),
  unregister: () => ua.unregister(),
  call: ({ uri }) => ua.call(uri, silent),
  answer: () => session.answer(silent),
  reject: ({ status }) => session.terminate({ status_code: status }),
  hangup: () => session.terminate(),
  hold: () => session.hold(),
  unhold: () => session.unhold(),
  dtmf: ({ tones }) => session.sendDTMF(tones, { duration: 100, interToneGap: 50 }),
  message: ({ uri, text }) => ua.sendMessage(uri, text, {
    eventHandlers: {
      succeeded: ({ response }) => tell('sent', { status: response.status_code }),
      failed: ({ response, cause }) => tell('unsent', { cause, status: response?.status_code }),
    },
  }),
};

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { command, ...given } = JSON.parse(line);
  commands[command](given);
}).on('close', () => process.exit(0));

ua.start();
