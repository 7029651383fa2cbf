// What a live-view frame says: histogram, clipping, sharpness, and the overlays, all from its pixels.

// Display value from which a channel counts as clipped: JPEG ringing keeps burnt areas just below 255.
const CLIPPED = 250;
// Below this in every channel a pixel is black.
const BLACK = 3;
// Gradient of luma, of 255, that is a sharp edge.
const EDGE = 70;

// Counts a frame's pixels. `pixels` is RGBA, `width` x `height`.
export function measure(pixels, width, height) {
  const n = width * height;
  const counts = [0, 1, 2, 3].map(() => new Uint32Array(256));
  const luma = new Uint8Array(n);
  let clipped = 0, black = 0, sum = 0;
  for (let i = 0, p = 0; i < n; i++, p += 4) {
    const r = pixels[p], g = pixels[p + 1], b = pixels[p + 2];
    const y = (77 * r + 150 * g + 29 * b) >> 8; // ITU-R BT.601
    luma[i] = y;
    counts[0][y]++; counts[1][r]++; counts[2][g]++; counts[3][b]++;
    sum += y;
    if (r >= CLIPPED || g >= CLIPPED || b >= CLIPPED) clipped++;
    else if (r < BLACK && g < BLACK && b < BLACK) black++;
  }
  return { counts, luma, clipped: clipped / n, black: black / n, level: sum / n / 255, sharpness: sharpness(luma, width, height) };
}

// The variance of the Laplacian, as the session's own figure for a shot.
function sharpness(luma, width, height) {
  let sum = 0, squares = 0, n = 0;
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1, i = y * width + 1; x < width - 1; x++, i++) {
      const v = (luma[i - 1] + luma[i + 1] + luma[i - width] + luma[i + width] - 4 * luma[i]) / 255;
      sum += v; squares += v * v; n++;
    }
  }
  return squares / n - (sum / n) ** 2;
}

// Paints stripes that wander over what is clipped (dark on white) and black (blue).
export function zebra(pixels, width, height, phase) {
  for (let y = 0, p = 0; y < height; y++) {
    for (let x = 0; x < width; x++, p += 4) {
      const r = pixels[p], g = pixels[p + 1], b = pixels[p + 2];
      const stripe = ((x + y + phase) & 7) < 4;
      if (r >= CLIPPED || g >= CLIPPED || b >= CLIPPED) {
        if (stripe) { pixels[p] = 200; pixels[p + 1] = 20; pixels[p + 2] = 30; }
      } else if (stripe && r < BLACK && g < BLACK && b < BLACK) {
        pixels[p] = 30; pixels[p + 1] = 60; pixels[p + 2] = 200;
      }
    }
  }
}

// Paints edges that are sharp.
export function peaking(pixels, luma, width, height) {
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1, i = y * width + 1; x < width - 1; x++, i++) {
      const dx = luma[i + 1] - luma[i - 1], dy = luma[i + width] - luma[i - width];
      if (Math.abs(dx) + Math.abs(dy) > EDGE) {
        const p = 4 * i;
        pixels[p] = 90; pixels[p + 1] = 255; pixels[p + 2] = 60;
      }
    }
  }
}

// Draws luma as an area and the channels as lines. The ends, which hold what is clipped, do not set the scale.
export function histogram(canvas, counts) {
  const c = canvas.getContext("2d"), { width, height } = canvas;
  let top = 1;
  for (const channel of counts) for (let v = 2; v < 254; v++) top = Math.max(top, channel[v]);
  const x = (v) => (v + 0.5) * width / 256, y = (n) => height - Math.min(1, Math.sqrt(n / top)) * (height - 4);
  c.clearRect(0, 0, width, height);
  c.strokeStyle = "#2b2d30";
  for (const at of [0.25, 0.5, 0.75]) c.strokeRect(at * width, -1, 0, height + 2);
  c.globalCompositeOperation = "lighter";
  [["#6b6d70", true], ["#d0443a", false], ["#3f9d4d", false], ["#3f6fd8", false]].forEach(([colour, area], k) => {
    c.beginPath();
    c.moveTo(0, height);
    for (let v = 0; v < 256; v++) c.lineTo(x(v), y(counts[k][v]));
    c.lineTo(width, height);
    c.fillStyle = c.strokeStyle = colour;
    c.lineWidth = 1.5;
    if (area) c.fill(); else c.stroke();
  });
  c.globalCompositeOperation = "source-over";
}
