// A SIP.js user agent without a browser: one JSON command a line in, one JSON event a line out.
//
// SIP.js does the signalling over a WebSocket; in place of WebRTC it has a session description
// handler that gives and takes fixed descriptions of the kind that browsers make.

import { createInterface } from "node:readline";
import WebSocket from "ws";

globalThis.WebSocket = WebSocket;
const { Inviter, Messager, Registerer, SessionState, UserAgent } = await import("sip.js");

const options = JSON.parse(process.argv[2]);
const tell = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

const DESCRIPTION = [
  "v=0",
  "o=mozilla...THIS_IS_SDPARTA-99.0 1 0 IN IP4 0.0.0.0",
  "s=-",
  "t=0 0",
  "a=fingerprint:sha-256 " + Array(32).fill("4A").join(":"),
  "a=group:BUNDLE 0",
  "a=ice-options:trickle",
  "a=msid-semantic:WMS *",
  "m=audio 9 UDP/TLS/RTP/SAVPF 109 0",
  "c=IN IP4 0.0.0.0",
  "a=sendrecv",
  "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1",
  "a=ice-pwd:c0ffee00c0ffee00c0ffee00c0ffee00",
  "a=ice-ufrag:c0ffee00",
  "a=mid:0",
  "a=rtcp-mux",
  "a=rtpmap:109 opus/48000/2",
  "a=rtpmap:0 PCMU/8000/1",
  "a=setup:actpass",
  "a=ssrc:1234567890 cname:{c0ffee00}",
  "",
].join("\r\n");

// What SIP.js asks of a session description handler; the media behind it are nobody's affair here.
class Handler {
  close() {}
  hasDescription(contentType) {
    return contentType === "application/sdp";
  }
  async getDescription() {
    return { body: DESCRIPTION, contentType: "application/sdp" };
  }
  async setDescription(sdp) {
    tell("description", { sdp });
  }
  sendDtmf() {
    return false;
  }
}

let session;
const follow = (added) => {
  session = added;
  session.stateChange.addListener((state) => tell("session", { state }));
  session.delegate = {
    onBye: async (bye) => {
      tell("bye");
      await bye.accept();
    },
    onMessage: async (message) => {
      tell("message", { body: message.request.body, inside: true });
      await message.accept();
    },
    onInvite: (request) => tell("reinvite", { sdp: request.body }),
  };
};

const agent = new UserAgent({
  uri: UserAgent.makeURI(options.uri),
  authorizationUsername: options.user,
  authorizationPassword: options.password,
  transportOptions: { server: options.server },
  sessionDescriptionHandlerFactory: () => new Handler(),
  logBuiltinEnabled: false,
  logConnector: (level, category, label, content) =>
    console.error(`${level} ${category} ${label ?? ""} ${content}`),
  logLevel: "debug",
  delegate: {
    onInvite: (invitation) => {
      follow(invitation);
      tell("invitation", { from: invitation.remoteIdentity.uri.toString() });
    },
    onMessage: async (message) => {
      tell("message", { body: message.request.body, inside: false });
      await message.accept();
    },
    onDisconnect: (error) => tell("disconnected", { error: String(error ?? "") }),
  },
});
const registerer = new Registerer(agent, { expires: 600 });
registerer.stateChange.addListener((state) => tell("registerer", { state }));

const outcome = (name) => ({
  requestDelegate: {
    onAccept: (response) => tell(name, { status: response.message.statusCode }),
    onReject: (response) => tell(name, { status: response.message.statusCode }),
  },
});

const commands = {
  register: () => registerer.register(outcome("registered")),
  unregister: () => registerer.unregister(outcome("unregistered")),
  call: async ({ target }) => {
    follow(new Inviter(agent, UserAgent.makeURI(target)));
    await session.invite(outcome("answered"));
  },
  answer: () => session.accept(),
  reject: ({ status }) => session.reject({ statusCode: status }),
  cancel: () => session.cancel(),
  bye: () => session.bye(),
  reinvite: () => session.invite(outcome("reinvited")),
  say: ({ text }) => session.message({ ...outcome("said"), requestOptions: body(text) }),
  message: ({ target, text }) =>
    new Messager(agent, UserAgent.makeURI(target), text).message(outcome("sent")),
  quit: async () => {
    await agent.stop();
    process.exit(0);
  },
};
const body = (content) => ({
  body: { contentDisposition: "render", contentType: "text/plain", content },
});

await agent.start();
tell("connected", { states: Object.keys(SessionState) });
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...more } = JSON.parse(line);
  Promise.resolve(commands[command](more)).catch((error) =>
    tell("failed", { command, error: String(error) }),
  );
}
