// A relay of `@nostr-relay/core`: the library decides, this file brings sockets and a store.
//
// Usage: node server.js PORT FILE stock|roomy|auth
//
// The store is a map in memory, written to FILE line by line so that it outlives the process. What is the library's and
// what is this file's: messages, answers, limits, cache and authentication are the library's; which stored events match,
// their order, and what replaces what are this file's.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const { EventRepository, EventUtils, LogLevel } = require('@nostr-relay/common');
const { NostrRelay } = require('@nostr-relay/core');
const { Validator } = require('@nostr-relay/validator');
const { WebSocketServer } = require('ws');

const [port, file, profile] = process.argv.slice(2);

// What one filter returns at most; the library leaves that to its store.
const MAX_LIMIT = 500;

class Store extends EventRepository {
  constructor() {
    super();
    this.events = new Map();
    this.addresses = new Map();
    if (fs.existsSync(file)) {
      for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
        // A line that a kill cut off was never acknowledged.
        try {
          this.apply(JSON.parse(line));
        } catch {
          continue;
        }
      }
    }
    this.log = fs.openSync(file, 'a');
  }

  isSearchSupported() {
    return false;
  }

  apply({ add, remove }) {
    if (remove) {
      this.events.delete(remove);
      return true;
    }
    const d = EventUtils.extractDTagValue(add);
    if (d !== null) {
      const address = JSON.stringify([add.kind, add.pubkey, d]);
      const held = this.events.get(this.addresses.get(address));
      if (held && (held.created_at > add.created_at || (held.created_at === add.created_at && held.id <= add.id))) {
        return false;
      }
      if (held) this.events.delete(held.id);
      this.addresses.set(address, add.id);
    }
    if (this.events.has(add.id)) return false;
    this.events.set(add.id, add);
    return true;
  }

  write(entry) {
    const isNew = this.apply(entry);
    if (isNew) fs.writeSync(this.log, JSON.stringify(entry) + '\n');
    return isNew;
  }

  upsert(event) {
    return { isDuplicate: !this.write({ add: event }) };
  }

  async deleteByDeletionRequest(deletion) {
    for (const [name, value] of deletion.tags) {
      const held = name === 'e' && this.events.get(value);
      if (held && held.pubkey === deletion.pubkey) this.write({ remove: held.id });
    }
    this.write({ add: deletion });
  }

  async find(filter) {
    const limit = Math.min(filter.limit ?? MAX_LIMIT, MAX_LIMIT);
    if (filter.search !== undefined || limit === 0) return [];
    return [...this.events.values()]
      .filter(event => EventUtils.isMatchingFilter(event, filter))
      .sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
      .slice(0, limit);
  }

  async destroy() {
    fs.closeSync(this.log);
  }
}

const roomy = profile !== 'stock';
const relay = new NostrRelay(new Store(), {
  logLevel: LogLevel.ERROR,
  ...(profile === 'auth' && { hostname: 'localhost' }),
  ...(roomy && { filterResultCacheTtl: 0, maxSubscriptionsPerClient: 100 }),
});
const validator = new Validator(
  roomy ? { maxContentLength: 2 << 20, maxNumberOfTags: 20000, maxTagValueLength: 2 << 20 } : {},
);

const server = http.createServer((_, response) => response.writeHead(426).end());
const sockets = new WebSocketServer({ server, maxPayload: 4 << 20 });
sockets.on('connection', (socket, request) => {
  relay.handleConnection(socket, request.socket.remoteAddress);
  socket.on('message', async data => {
    try {
      await relay.handleMessage(socket, await validator.validateIncomingMessage(data));
    } catch (error) {
      socket.send(JSON.stringify(['NOTICE', error.message]));
    }
  });
  socket.on('close', () => relay.handleDisconnect(socket));
  socket.on('error', () => relay.handleDisconnect(socket));
});
server.listen(Number(port), '127.0.0.1');
