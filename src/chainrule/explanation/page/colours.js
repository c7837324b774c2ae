// Sign and size as a colour: orange below zero, blue above, which every kind of colour vision tells apart; NaN is grey.

/** How large a number is relative to the largest finite one, from 0 to 1. */
export function partOf(number, largest) {
  return Math.min(Math.abs(number) / largest, 1);
}

/** The variable of the strongest colour that a number may have. */
export function endOf(number) {
  return Number.isNaN(number) ? "--quiet" : number < 0 ? "--low" : "--high";
}

/** The colour of a number relative to the largest. */
export function colourOf(number, largest) {
  const part = Math.round(100 * partOf(number, largest));
  return Number.isNaN(number) ? `var(${endOf(number)})` : `color-mix(in srgb, var(${endOf(number)}) ${part}%, var(--ground))`;
}

function channels(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

/** The same for a canvas, which knows no variables: numbers → red, green, blue, and that nothing shines through. */
export function painter(largest) {
  const ground = channels("--ground");
  const ends = Object.fromEntries(["--low", "--high", "--quiet"].map((name) => [name, channels(name)]));
  return (number) => {
    const part = Number.isNaN(number) ? 1 : partOf(number, largest);
    const end = ends[endOf(number)];
    return [...end.map((channel, i) => Math.round(ground[i] + part * (channel - ground[i]))), 255];
  };
}
