// Read arrays with zarrita, through its own store of references, and print what came of each.
//   node read_zarrita.mjs set.json NAME...          (set.json names files by http)
import { readFileSync } from "node:fs";
import * as zarr from "zarrita";
import ReferenceStore from "@zarrita/storage/ref";

const [path, ...names] = process.argv.slice(2);
const found = {};
let store;
try {
  store = await ReferenceStore.fromSpec(JSON.parse(readFileSync(path, "utf8")));
} catch (error) {
  console.log(JSON.stringify(Object.fromEntries(names.map((name) => [name, `${error}`]))));
  process.exit(0);
}
const plain = (value) => (typeof value === "bigint" ? Number(value) : Number.isNaN(value) ? null : value);
// The elements in C order, whatever the order is in memory.
const inOrder = ({ data, shape, stride }) => {
  const all = [];
  const items = data.get ? (at) => data.get(at) : (at) => data[at];
  for (let y = 0; y < shape[0]; y++) for (let x = 0; x < shape[1]; x++) all.push(items(y * stride[0] + x * stride[1]));
  return all;
};
for (const name of names) {
  try {
    const array = await zarr.open(zarr.root(store).resolve(name), { kind: "array" });
    const got = await zarr.get(array);
    found[name] = array.shape.length === 0 ? [plain(got)] : inOrder(got).map(plain);
  } catch (error) {
    found[name] = `${error}`.slice(0, 200);
  }
}
console.log(JSON.stringify(found));
