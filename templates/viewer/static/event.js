// Working out in the browser that an event is in the sealed log: SHA-256 of the record's bytes, and its path to the root.

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (data) => [...new Uint8Array(data)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

async function hash(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

const leafHash = (salt, record) => hash(Uint8Array.of(0), salt, record);
const nodeHash = (left, right) => hash(Uint8Array.of(1), left, right);

// RFC 9162, 2.1.3.2, in whole numbers that may be larger than 32 bits.
export async function rootOf(leaf, index, size, path) {
  let at = BigInt(index);
  let last = BigInt(size) - 1n;
  let node = leaf;
  for (const sibling of path) {
    if (last === 0n) return null;
    if (at & 1n || at === last) {
      node = await nodeHash(sibling, node);
      while (!(at & 1n) && at) {
        at >>= 1n;
        last >>= 1n;
      }
    } else {
      node = await nodeHash(node, sibling);
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n ? hex(node) : null;
}

async function recompute(box) {
  const said = box.querySelector("[data-said]");
  const { leaf, size, root, leafHash: stated, salt, path, record } = box.dataset;
  said.className = "proof-said";
  said.textContent = "Reading the record…";
  try {
    if (!globalThis.crypto?.subtle) throw new Error("this browser works out digests only on https or on this machine itself");
    const answer = await fetch(record);
    if (!answer.ok) throw new Error("the record cannot be read");
    const own = await leafHash(bytes(salt), new Uint8Array(await answer.arrayBuffer()));
    if (hex(own) !== stated) throw new Error("the record gives another leaf hash");
    const found = await rootOf(own, leaf, size, path ? path.split(" ").map(bytes) : []);
    if (found !== root) throw new Error("the path leads to another root");
    said.classList.add("good");
    said.textContent = `✓ Recomputed in this browser: the record's bytes lead to the root of the signed head of ${size} events. Whether the head is the right one, the signature and the key you know tell: check it yourself, below.`;
  } catch (error) {
    said.classList.add("bad");
    said.textContent = `✕ Not proven: ${error.message}.`;
  }
}

export function proofs(part = document) {
  for (const box of part.querySelectorAll("[data-proof]")) {
    box.querySelector("[data-recompute]")?.addEventListener("click", () => recompute(box));
  }
}

proofs();
