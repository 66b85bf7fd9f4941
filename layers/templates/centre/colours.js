// Classes and colours: round steps, a sequence for how much, two arms for fewer and more.
(function () {
  "use strict";

  // Upper bounds of at most five classes from 1, 2, 5, 10, 20 …, the last one reaching `highest`.
  function steps(highest) {
    if (!(highest > 0)) return [1];
    const series = [];
    for (let power = -3; power < 9; power++) [1, 2, 5].forEach(function (digit) { series.push(digit * Math.pow(10, power)); });
    const last = series.findIndex(function (bound) { return bound >= highest * (1 - 1e-9); });
    return series.slice(Math.max(0, last - 4), last + 1).map(function (bound) { return Number(bound.toPrecision(1)); });
  }

  function rank(value, breaks) {
    for (let i = 0; i < breaks.length; i++) if (value <= breaks[i]) return i;
    return breaks.length - 1;
  }

  function ramp(colours, classes) {
    if (classes <= 1) return [colours[Math.floor(colours.length / 2)]].slice(0, classes);
    const made = [];
    for (let i = 0; i < classes; i++) made.push(colours[Math.round(i * (colours.length - 1) / (classes - 1))]);
    return made;
  }

  // Differences: inner bounds −b, −a, −, +, a, b; seven classes with nought alone in the middle.
  function arms(largest) {
    const bounds = steps(Math.max(largest, 1)).filter(function (bound) { return bound >= 1; });
    const outer = bounds[Math.max(0, bounds.length - 2)] || 1;
    const inner = bounds[Math.max(0, bounds.length - 3)] || 1;
    return inner < outer ? [inner, outer] : [outer];
  }

  function change(value, bounds) {
    const colours = centre.page.colours.change;
    if (value === 0) return colours[3];
    const size = Math.abs(value);
    let step = 1;
    bounds.forEach(function (bound) { if (size > bound) step += 1; });
    step = Math.min(step, 3);
    if (bounds.length === 1 && step === 2) step = 3;
    return colours[3 + (value > 0 ? step : -step)];
  }

  function rgb(colour) {
    const number = parseInt(colour.slice(1), 16);
    return [number >> 16, (number >> 8) & 255, number & 255];
  }

  centre.colours = { steps: steps, rank: rank, ramp: ramp, arms: arms, change: change, rgb: rgb };
})();
