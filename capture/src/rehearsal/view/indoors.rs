//! Views under a roof: a desk, a shelf, a room.

use super::*;

/// A shape with its shadow behind it.
fn with_shadow(items: &mut Vec<Item>, item: Item, offset: [f32; 2], soft: f32) {
    let shadow = item.shadow(offset, soft);
    items.push(item);
    items.push(shadow);
}

/// A table with books, mugs, bottles, fruit and a screen before a wall with pictures.
pub(super) fn desk(lot: &mut Lot) -> Vec<Item> {
    let mut items = Vec::new();
    let edge = lot.between(0.02, 0.1);
    // Two rows of things; the nearer one stands lower and hides the other.
    for (base, size) in [(edge + 0.17, 1.25), (edge + 0.05, 0.85)] {
        let mut x = -FIELD[0] - lot.between(0.0, 0.1);
        while x < FIELD[0] {
            let width = size * lot.between(0.035, 0.1);
            x += width * lot.between(1.05, 1.7);
            desk_thing(lot, &mut items, [x, base], width, size);
            x += width;
        }
    }
    let mut table = Item::new(
        Outline::Box(0.0),
        [0.0, edge + 0.3],
        [0.8, 0.3],
        [[0.16, 0.09, 0.05], [0.42, 0.27, 0.15]],
        lot.seed(),
    );
    (table.texture, table.shading) = (Texture::Wood(0.05), Shading::Floor(edge - 0.06));
    if lot.chance(0.4) {
        table.colours = lot.pair(0.5);
    }
    items.push(table);
    for _ in 0..7 {
        let (w, h) = (lot.between(0.04, 0.13), lot.between(0.04, 0.12));
        let at = [lot_x(lot), lot.between(-0.42, edge - 0.12)];
        picture(lot, &mut items, at, [w, h]);
    }
    let wall = lot.between(0.35, 0.7);
    items.push(backdrop(Texture::Mottled(0.25), lot.pair(wall), lot.seed()));
    items
}

fn lot_x(lot: &mut Lot) -> f32 {
    lot.between(-FIELD[0], FIELD[0])
}

/// One thing that stands on the table at `foot`.
fn desk_thing(lot: &mut Lot, items: &mut Vec<Item>, [x, y]: [f32; 2], half: f32, size: f32) {
    let shadow = [0.02 * size, 0.012 * size];
    let value = lot.between(0.1, 0.8);
    match lot.seed() % 6 {
        0 => {
            // A stack of books, the topmost first.
            let mut top = y;
            for _ in 0..2 + lot.seed() % 4 {
                let thick = size * lot.between(0.008, 0.02);
                let value = lot.between(0.1, 0.8);
                let mut book = Item::new(
                    Outline::Box(0.003),
                    [x + lot.between(-0.01, 0.01), top - thick],
                    [half, thick],
                    lot.pair(value),
                    lot.seed(),
                );
                book.texture = Texture::Print(thick * 1.6);
                with_shadow(items, book, shadow, 0.03);
                top -= 2.0 * thick;
            }
        }
        1 => {
            let radius = half * 0.8;
            let mut fruit =
                Item::new(Outline::Ellipse, [x, y - radius], [radius, radius * 0.95], lot.pair(value), lot.seed());
            (fruit.shading, fruit.texture) = (Shading::Sphere, Texture::Mottled(radius));
            with_shadow(items, fruit, shadow, 0.04);
        }
        2 => {
            // A bottle: neck on body.
            let colours = lot.pair(value * 0.5);
            let tall = size * lot.between(0.07, 0.11);
            let mut label = Item::new(
                Outline::Box(0.002),
                [x, y - tall],
                [half * 0.45, tall * 0.4],
                [grey(0.85), grey(0.1)],
                lot.seed(),
            );
            (label.texture, label.shading) = (Texture::Print(tall * 0.2), Shading::Cylinder);
            let mut body = Item::new(Outline::Box(half * 0.3), [x, y - tall], [half * 0.45, tall], colours, lot.seed());
            body.shading = Shading::Cylinder;
            let mut neck =
                Item::new(Outline::Box(0.0), [x, y - 2.3 * tall], [half * 0.16, tall * 0.45], colours, lot.seed());
            neck.shading = Shading::Cylinder;
            items.push(label);
            with_shadow(items, body, shadow, 0.03);
            items.push(neck);
        }
        3 => {
            // A mug with its rim.
            let tall = half * 0.9;
            let colours = lot.pair(value);
            let rim = Item::new(
                Outline::Ellipse,
                [x, y - 2.0 * tall],
                [half * 0.7, half * 0.16],
                [grey(0.04), grey(0.1)],
                lot.seed(),
            );
            let mut body = Item::new(Outline::Box(half * 0.1), [x, y - tall], [half * 0.7, tall], colours, lot.seed());
            (body.shading, body.texture) = (Shading::Cylinder, lot.texture(half));
            let handle =
                Item::new(Outline::Ellipse, [x + half * 0.8, y - tall], [half * 0.4, tall * 0.6], colours, lot.seed());
            items.push(rim);
            with_shadow(items, body, shadow, 0.03);
            items.push(handle);
        }
        4 => {
            // A plant in a pot.
            let tall = half * 0.7;
            for _ in 0..14 {
                let at = [x + half * lot.between(-1.1, 1.1), y - tall * 2.0 - half * lot.between(0.0, 2.4)];
                let mut leaf = Item::new(
                    Outline::Ellipse,
                    at,
                    [half * 0.5, half * 0.13],
                    [[0.02, 0.09, 0.02], [0.12, 0.38, 0.08]],
                    lot.seed(),
                );
                (leaf.angle, leaf.texture) = (lot.between(0.0, 3.1), Texture::Rough(half * 0.3));
                items.push(leaf);
            }
            let mut pot = Item::new(
                Outline::Box(0.004),
                [x, y - tall],
                [half * 0.6, tall],
                [[0.3, 0.12, 0.06], [0.55, 0.25, 0.14]],
                lot.seed(),
            );
            pot.shading = Shading::Cylinder;
            with_shadow(items, pot, shadow, 0.04);
        }
        _ => {
            // A screen or a framed sheet of print.
            let tall = half * lot.between(0.8, 1.3);
            let mut sheet = Item::new(
                Outline::Box(0.0),
                [x, y - tall - 0.01],
                [half * 0.92, tall * 0.9],
                [grey(0.9), lot.colour(0.1)],
                lot.seed(),
            );
            sheet.texture = Texture::Print(lot.between(0.008, 0.02));
            items.push(sheet);
            with_shadow(
                items,
                Item::new(
                    Outline::Box(0.004),
                    [x, y - tall - 0.01],
                    [half, tall],
                    [grey(0.03), grey(0.06)],
                    lot.seed(),
                ),
                shadow,
                0.03,
            );
        }
    }
}

/// A framed picture on a wall.
fn picture(lot: &mut Lot, items: &mut Vec<Item>, at: [f32; 2], half: [f32; 2]) {
    for _ in 0..5 {
        let r = half[0].min(half[1]) * lot.between(0.15, 0.5);
        let value = lot.between(0.1, 0.9);
        let centre = [at[0] + (half[0] - r) * lot.between(-0.8, 0.8), at[1] + (half[1] - r) * lot.between(-0.8, 0.8)];
        let mut spot =
            Item::new(Outline::Ellipse, centre, [r * 0.9, r * lot.between(0.4, 0.9)], lot.pair(value), lot.seed());
        spot.texture = lot.texture(r);
        items.push(spot);
    }
    let value = lot.between(0.3, 0.9);
    let mut canvas = Item::new(Outline::Box(0.0), at, half, lot.pair(value), lot.seed());
    canvas.texture = Texture::Rough(half[0]);
    items.push(canvas);
    let frame = Item::new(Outline::Box(0.002), at, [half[0] + 0.008, half[1] + 0.008], lot.pair(0.25), lot.seed());
    with_shadow(items, frame, [0.01, 0.012], 0.02);
}

/// Boards with books, boxes and vases.
pub(super) fn shelf(lot: &mut Lot) -> Vec<Item> {
    let mut items = Vec::new();
    let wood = lot.pair(0.45);
    let pitch = lot.between(0.14, 0.2);
    let mut floor = -FIELD[1] + lot.between(0.02, 0.1);
    while floor < FIELD[1] + pitch {
        let mut x = -FIELD[0] - 0.05;
        while x < FIELD[0] {
            if lot.chance(0.12) {
                x += lot.between(0.03, 0.08);
            }
            let half = if lot.chance(0.85) { lot.between(0.006, 0.02) } else { lot.between(0.02, 0.045) };
            let tall = pitch * lot.between(0.28, 0.44);
            let value = lot.between(0.08, 0.75);
            x += half;
            let mut book =
                Item::new(Outline::Box(0.003), [x, floor - tall], [half * 0.96, tall], lot.pair(value), lot.seed());
            if half > 0.02 {
                (book.shading, book.texture) = (Shading::Cylinder, lot.texture(half));
                if lot.chance(0.5) {
                    (book.outline, book.shading) = (Outline::Ellipse, Shading::Sphere);
                }
            } else {
                // Titles run along the spine: the label lies on the back, turned.
                let mut title = Item::new(
                    Outline::Box(0.0),
                    [x, floor - tall],
                    [tall * 0.8, half * 0.7],
                    [book.colours[0], grey(0.85)],
                    lot.seed(),
                );
                (title.angle, title.texture) = (std::f32::consts::FRAC_PI_2, Texture::Print(half * 1.3));
                items.push(title);
                book.shading = Shading::Cylinder;
            }
            items.push(book);
            x += half;
        }
        let mut board = Item::new(Outline::Box(0.0), [0.0, floor + 0.007], [0.8, 0.007], wood, lot.seed());
        board.texture = Texture::Wood(0.01);
        with_shadow(&mut items, board, [0.0, 0.02], 0.05);
        floor += pitch;
    }
    items.push(backdrop(Texture::Wood(0.05), wood.map(|c| c.map(|v| v * 0.25)), lot.seed()));
    items
}

/// A room: bright windows, lamps, people, furniture. What glass in a room mirrors.
pub(super) fn room(lot: &mut Lot) -> Vec<Item> {
    let mut items = Vec::new();
    for _ in 0..2 + lot.seed() % 3 {
        person(lot, &mut items);
    }
    for _ in 0..3 + lot.seed() % 4 {
        let at = [lot_x(lot), lot.between(-0.4, -0.12)];
        lamp(lot, &mut items, at);
    }
    for _ in 0..6 {
        let (w, h) = (lot.between(0.05, 0.16), lot.between(0.03, 0.12));
        let value = lot.between(0.1, 0.5);
        let mut cupboard = Item::new(Outline::Box(0.004), [lot_x(lot), 0.25 - h], [w, h], lot.pair(value), lot.seed());
        cupboard.texture = lot.texture(w);
        with_shadow(&mut items, cupboard, [0.015, 0.01], 0.04);
    }
    let mut floor = Item::new(Outline::Box(0.0), [0.0, 0.5], [0.8, 0.28], lot.pair(0.3), lot.seed());
    (floor.texture, floor.shading) = (Texture::Weave(0.04), Shading::Floor(0.17));
    items.push(floor);
    for _ in 0..2 + lot.seed() % 3 {
        let at = [lot_x(lot), lot.between(-0.2, -0.02)];
        window(lot, &mut items, at);
    }
    for _ in 0..4 {
        let half = [lot.between(0.03, 0.08), lot.between(0.03, 0.09)];
        let at = [lot_x(lot), lot.between(-0.3, 0.1)];
        picture(lot, &mut items, at, half);
    }
    items.push(backdrop(Texture::Mottled(0.3), lot.pair(0.35), lot.seed()));
    items
}

fn person(lot: &mut Lot, items: &mut Vec<Item>) {
    let (x, size) = (lot_x(lot), lot.between(0.8, 1.4));
    let head = [x, lot.between(-0.05, 0.06)];
    let skin = lot.one_of(&[[0.55, 0.35, 0.25], [0.35, 0.2, 0.12], [0.16, 0.09, 0.05]]);
    let hair = Item::new(
        Outline::Blob(0.2),
        [x, head[1] - 0.014 * size],
        [0.03 * size, 0.026 * size],
        [grey(0.02), [0.14, 0.08, 0.04]],
        lot.seed(),
    );
    let mut face =
        Item::new(Outline::Ellipse, head, [0.026 * size, 0.035 * size], [skin.map(|c| c * 0.7), skin], lot.seed());
    face.shading = Shading::Sphere;
    let value = lot.between(0.1, 0.7);
    let mut coat = Item::new(
        Outline::Box(0.035 * size),
        [x, head[1] + 0.135 * size],
        [0.06 * size, 0.105 * size],
        lot.pair(value),
        lot.seed(),
    );
    (coat.shading, coat.texture) = (Shading::Cylinder, lot.texture(0.08));
    items.extend([hair, face]);
    with_shadow(items, coat, [0.03, 0.02], 0.06);
}

/// A lamp with its glow.
fn lamp(lot: &mut Lot, items: &mut Vec<Item>, at: [f32; 2]) {
    let warm = lot.one_of(&[[1.0, 0.78, 0.5], [1.0, 0.9, 0.75], [0.9, 0.95, 1.0]]);
    let r = lot.between(0.012, 0.03);
    let mut bulb = Item::new(
        lot.one_of(&[Outline::Ellipse, Outline::Box(0.004)]),
        at,
        [r * lot.between(0.8, 2.5), r],
        [warm, warm],
        lot.seed(),
    );
    bulb.shading = Shading::Shines(lot.between(10.0, 30.0));
    let mut glow = Item::new(Outline::Ellipse, at, [0.01, 0.01], [warm, warm], lot.seed());
    (glow.shading, glow.soft) = (Shading::Glow(0.5), 0.3);
    items.extend([bulb, glow]);
}

/// A window in daylight: frame, bars, and trees and sky outside.
fn window(lot: &mut Lot, items: &mut Vec<Item>, at: [f32; 2]) {
    let half = [lot.between(0.06, 0.14), lot.between(0.1, 0.16)];
    for bar in [[0.0, half[1]], [half[0], 0.0]] {
        items.push(Item::new(
            Outline::Box(0.0),
            at,
            [half[0] - bar[0] + 0.005, half[1] - bar[1] + 0.005],
            [grey(0.5), grey(0.8)],
            lot.seed(),
        ));
    }
    let light = lot.between(4.0, 9.0);
    let mut trees = Item::new(
        Outline::Blob(0.4),
        [at[0] + lot.between(-0.03, 0.03), at[1] + half[1] * 0.7],
        [half[0] * 0.8, half[1] * 0.45],
        [[0.03, 0.06, 0.02], [0.2, 0.35, 0.1]],
        lot.seed(),
    );
    (trees.texture, trees.shading) = (Texture::Rough(0.03), Shading::Shines(light * 0.5));
    // The part of the trees that the wall hides does not reach past the frame: halves keep it inside.
    trees.half = [trees.half[0].min(half[0] * 0.7), trees.half[1].min(half[1] * 0.3)];
    items.push(trees);
    let mut sky = Item::new(Outline::Box(0.0), at, half, [[0.55, 0.7, 0.95], [0.95, 0.97, 1.0]], lot.seed());
    (sky.texture, sky.shading) = (Texture::Rough(0.2), Shading::Shines(light));
    items.push(sky);
    items.push(Item::new(
        Outline::Box(0.003),
        at,
        [half[0] + 0.012, half[1] + 0.012],
        [grey(0.6), grey(0.85)],
        lot.seed(),
    ));
    let mut glow = Item::new(Outline::Box(0.0), at, half, [[0.9, 0.95, 1.0]; 2], lot.seed());
    (glow.shading, glow.soft) = (Shading::Glow(0.25), 0.25);
    items.push(glow);
}
