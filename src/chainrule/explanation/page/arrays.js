// The numbers of the step, and how they are written.

export const DIGITS = 6; // significant ones
const RAISED = { ...Array.from("⁰¹²³⁴⁵⁶⁷⁸⁹"), "-": "⁻" };
const UNWRITABLE = ["NaN", "Infinity", "-Infinity"];
// {"number": "NaN"} is a number that JSON cannot write; a column may have that name, too, and a step has a number
const numeric = (key, value) => (UNWRITABLE.includes(value?.number) ? Number(value.number) : value);
export const data = JSON.parse(document.getElementById("data").textContent, numeric);

/** Text in base 64 that holds compressed bytes, as these bytes. */
async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const bytes = await inflated(data.numbers);
delete data.numbers;
Object.assign(data, JSON.parse(new TextDecoder().decode(await inflated(data.formulas))));
const decoded = new Map();

/** The numbers of an array by its name, in row-major order. */
export function numbersOf(key) {
  if (!decoded.has(key)) decoded.set(key, data.arrays[key].factors ? products(key) : unpacked(key));
  return decoded.get(key);
}

function emptyOf({ shape, dtype }) {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return dtype === "float32" ? new Float32Array(size) : new Float64Array(size);
}

/** An array whose elements are the products of two others'. */
function products(key) {
  const [rows, columns] = data.arrays[key].factors.map(numbersOf);
  const numbers = emptyOf(data.arrays[key]);
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < columns.length; j++) numbers[i * columns.length + j] = rows[i] * columns[j];
  }
  return numbers;
}

/** An array from its bytes, or from those that change a number times another array. */
function unpacked(key) {
  const { start, base, scale } = data.arrays[key];
  const numbers = emptyOf(data.arrays[key]);
  const own = new Uint8Array(numbers.buffer);
  const other = base === null ? null : new Uint8Array(numbersOf(base).map((number) => number * scale).buffer);
  const size = numbers.BYTES_PER_ELEMENT;
  for (let place = 0; place < size; place++) {
    const from = start + place * numbers.length;
    for (let n = 0; n < numbers.length; n++) {
      const at = n * size + place;
      own[at] = bytes[from + n] ^ (other === null ? 0 : other[at]);
    }
  }
  return numbers;
}

/** How many elements an array has. */
export function countOf(key) {
  return data.arrays[key].shape.reduce((product, dim) => product * dim, 1);
}

/** How many axes an array has. */
export function rankOf(key) {
  return data.arrays[key].shape.length;
}

/** One element. */
export function numberAt(key, index) {
  const { shape } = data.arrays[key];
  return numbersOf(key)[index.reduce((at, place, axis) => at * shape[axis] + place, 0)];
}

/** The place of the n-th element in row-major order. */
export function placeOf(key, n) {
  const place = [];
  for (const size of [...data.arrays[key].shape].reverse()) {
    place.unshift(n % size);
    n = Math.floor(n / size);
  }
  return place;
}

/** "layers.0.weight[1, 0]" as its array and its index. */
export function parsePlace(text) {
  const found = /^(.*?)(?:\[([\d, ]*)\])?$/.exec(text);
  return { key: found[1], index: found[2] ? found[2].split(",").map(Number) : [] };
}

export function writePlace(key, index) {
  return index.length ? `${key}[${index.join(", ")}]` : key;
}

/** An element as it is written: true or false for what is no number. */
export function writtenAt(key, index, digits = DIGITS) {
  const number = numberAt(key, index);
  return data.arrays[key].truth ? String(number !== 0) : written(number, digits);
}

/** What a person calls an element, such as the column of a table; empty where it has no name. */
export function labelOf(key, index) {
  const listed = data.labels[key];
  if (!listed) return "";
  return listed[index.length > 1 ? index.at(-1) : numberAt(key, index)]; // one axis alone holds class numbers
}

/** The same in words: a derivative's name begins with d, a slope's with slope. */
export function spoken(key, index) {
  const place = writePlace(key, index).replace(/^d /, "derivative of the loss with respect to ").replace(/^slopes? /, "slope f′ of ");
  return [place, labelOf(key, index)].filter(Boolean).join(", ");
}

/** An element with its number in words; what a step has not come to yet has none. */
export function toldAs(key, index, later) {
  return later ? `${spoken(key, index)}, not computed yet` : `${spoken(key, index)} is ${writtenAt(key, index)}`;
}

/** A number to so many significant digits, as it stands in the text: 0.5, or 1.5 · 10⁻⁶. */
export function written(number, digits = DIGITS) {
  if (Number.isNaN(number)) return "nan";
  if (!Number.isFinite(number)) return number > 0 ? "inf" : "−inf";
  const [mantissa, exponent] = number.toExponential(digits - 1).split("e");
  const size = Number(exponent);
  const short = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (size >= -4 && size < digits) return signed(number === 0 ? "0" : short(number.toFixed(Math.max(digits - 1 - size, 0))));
  const power = `10${String(size).replace(/./g, (sign) => RAISED[sign])}`;
  return short(mantissa) === "1" ? power : `${signed(short(mantissa))} · ${power}`;
}

function signed(text) {
  return text.replace("-", "−");
}

/** An element with as few digits as tell it from every other number of its kind. */
export function inFull(key, index) {
  const number = numberAt(key, index);
  const { dtype, truth } = data.arrays[key];
  if (truth) return writtenAt(key, index);
  if (dtype !== "float32" || !Number.isFinite(number)) return String(number);
  const digits = [6, 7, 8, 9].find((count) => Math.fround(Number(number.toPrecision(count))) === number);
  return String(Number(number.toPrecision(digits)));
}

const largest = new Map();

/** The largest finite size in an array: what the colours are relative to. */
export function largestOf(key) {
  const larger = (most, number) => (Number.isFinite(number) ? Math.max(most, Math.abs(number)) : most);
  if (!largest.has(key)) largest.set(key, numbersOf(key).reduce(larger, 0) || 1);
  return largest.get(key);
}
