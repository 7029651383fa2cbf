//! Views under the sky: a street, a garden.

use super::*;

const LEAF: [Rgb; 2] = [[0.02, 0.07, 0.015], [0.16, 0.4, 0.09]];

/// Houses with windows and doors, trees, cars and people before them, clouds above.
pub(super) fn street(lot: &mut Lot) -> Vec<Item> {
    let mut items = Vec::new();
    let ground = lot.between(0.1, 0.2);
    for _ in 0..5 {
        let at = [lot.between(-FIELD[0], FIELD[0]), ground + lot.between(0.02, 0.1)];
        car(lot, &mut items, at);
    }
    for _ in 0..4 {
        let (x, size) = (lot.between(-FIELD[0], FIELD[0]), lot.between(0.05, 0.13));
        let crown = [x, ground - 0.06 - size];
        let mut leaves = Item::new(Outline::Blob(0.5), crown, [size, size * lot.between(0.7, 1.2)], LEAF, lot.seed());
        leaves.texture = Texture::Rough(size * 0.35);
        items.push(leaves);
        let mut trunk = Item::new(
            Outline::Box(0.0),
            [x, ground - 0.03],
            [size * 0.08, 0.07 + size * 0.5],
            [[0.05, 0.03, 0.02], [0.2, 0.14, 0.09]],
            lot.seed(),
        );
        (trunk.texture, trunk.shading) = (Texture::Wood(0.01), Shading::Cylinder);
        items.push(trunk);
    }
    let mut road = Item::new(Outline::Box(0.0), [0.0, ground + 0.3], [0.8, 0.3], [grey(0.12), grey(0.3)], lot.seed());
    (road.texture, road.shading) = (Texture::Rough(0.15), Shading::Floor(ground - 0.05));
    items.push(road);
    let mut x = -FIELD[0];
    while x < FIELD[0] {
        let half = lot.between(0.06, 0.16);
        let tall = lot.between(0.1, 0.24);
        house(lot, &mut items, [x + half, ground], half, tall);
        x += 2.0 * half + if lot.chance(0.3) { lot.between(0.01, 0.06) } else { 0.0 };
    }
    items.push(backdrop(Texture::Rough(0.35), [[0.45, 0.65, 1.0].map(|c| c * 1.1), [1.7, 1.7, 1.75]], lot.seed()));
    items
}

fn house(lot: &mut Lot, items: &mut Vec<Item>, [x, ground]: [f32; 2], half: f32, tall: f32) {
    let pitch = lot.between(0.022, 0.04);
    let mut shop = Item::new(Outline::Box(0.002), [x, ground - 0.025], [half * 0.8, 0.02], lot.pair(0.5), lot.seed());
    shop.texture = Texture::Print(0.018);
    items.push(shop);
    let mut windows = Item::new(
        Outline::Box(0.0),
        [x, ground - tall - 0.03],
        [(half / pitch).floor() * pitch, tall - 0.035],
        [grey(0.0), [0.35, 0.45, 0.6]],
        lot.seed(),
    );
    windows.texture = Texture::Windows(pitch);
    // Only the panes hide the wall: the wall's own colour is the pattern's other end.
    let value = lot.between(0.2, 0.7);
    let wall = lot.pair(value);
    windows.colours[0] = wall[1].map(|c| c * 0.85);
    items.push(windows);
    let mut front = Item::new(Outline::Box(0.0), [x, ground - tall], [half, tall], wall, lot.seed());
    front.texture = if lot.chance(0.5) { Texture::Bricks(0.014) } else { Texture::Mottled(0.1) };
    let roof =
        Item::new(Outline::Box(0.0), [x, ground - 2.0 * tall - 0.012], [half * 1.03, 0.014], lot.pair(0.2), lot.seed());
    items.push(front);
    items.push(roof);
}

fn car(lot: &mut Lot, items: &mut Vec<Item>, [x, y]: [f32; 2]) {
    let size = lot.between(0.7, 1.3) * (0.6 + y);
    let value = lot.between(0.1, 0.8);
    let paint = lot.pair(value);
    for side in [-0.05, 0.05] {
        let mut wheel = Item::new(
            Outline::Ellipse,
            [x + side * size, y],
            [0.017 * size, 0.017 * size],
            [grey(0.25), grey(0.02)],
            lot.seed(),
        );
        wheel.texture = Texture::Stripes(0.012);
        items.push(wheel);
    }
    let mut body =
        Item::new(Outline::Box(0.012 * size), [x, y - 0.02 * size], [0.09 * size, 0.022 * size], paint, lot.seed());
    body.shading = Shading::Sphere;
    body.half[1] *= 1.2;
    let shadow = body.shadow([0.0, 0.035 * size], 0.02);
    let panes = Item::new(
        Outline::Box(0.008 * size),
        [x, y - 0.05 * size],
        [0.043 * size, 0.014 * size],
        [[0.05, 0.07, 0.09], [0.5, 0.6, 0.7]],
        lot.seed(),
    );
    let mut cabin =
        Item::new(Outline::Box(0.015 * size), [x, y - 0.048 * size], [0.055 * size, 0.022 * size], paint, lot.seed());
    cabin.shading = Shading::Flat;
    items.extend([body, panes, cabin, shadow]);
}

/// Leaves over leaves, flowers among them, light from above.
pub(super) fn garden(lot: &mut Lot) -> Vec<Item> {
    let mut items = Vec::new();
    let kinds: [Rgb; 3] = std::array::from_fn(|_| {
        let hue = lot.one_of(&[0.1, 0.9, 4.6, 5.3, 5.8, 3.9]);
        tint(hue, lot.between(0.3, 0.9), 0.9)
    });
    for i in 0..420 {
        let at = [lot.between(-FIELD[0], FIELD[0]), lot.between(-FIELD[1], FIELD[1])];
        // Nearer leaves are larger and brighter.
        let near = 1.0 - i as f32 / 420.0;
        let size = lot.between(0.012, 0.03) * (0.6 + near);
        if i % 9 == 0 {
            let colour = lot.one_of(&kinds);
            let mut heart = Item::new(
                Outline::Ellipse,
                at,
                [size * 0.35, size * 0.32],
                [[0.5, 0.3, 0.02], [0.9, 0.7, 0.1]],
                lot.seed(),
            );
            heart.shading = Shading::Sphere;
            items.push(heart);
            for petal in 0..6 {
                let angle = petal as f32 * std::f32::consts::TAU / 6.0 + near;
                let centre = [at[0] + size * 0.75 * angle.cos(), at[1] + size * 0.75 * angle.sin()];
                let mut leaf = Item::new(
                    Outline::Ellipse,
                    centre,
                    [size * 0.6, size * 0.34],
                    [colour.map(|c| c * 0.5), colour],
                    lot.seed(),
                );
                (leaf.angle, leaf.texture) = (angle, Texture::Mottled(size));
                items.push(leaf);
            }
            continue;
        }
        let light = (0.35 + 0.9 * near) * lot.between(0.6, 1.2);
        let hue = lot.between(1.3, 2.2);
        let green = tint(hue, 0.75, 0.4 * light);
        let mut leaf = Item::new(
            Outline::Ellipse,
            at,
            [size * lot.between(1.0, 1.8), size * 0.42],
            [green.map(|c| c * 0.3), green],
            lot.seed(),
        );
        (leaf.angle, leaf.texture) = (lot.between(0.0, std::f32::consts::TAU), Texture::Rough(size * 0.5));
        if lot.chance(0.3) {
            leaf.shading = Shading::Cylinder;
        }
        items.push(leaf.clone());
        items.push(leaf.shadow([0.004, 0.01], 0.015));
    }
    let mut sky = Item::new(
        Outline::Blob(0.6),
        [lot.between(-0.3, 0.3), -0.42],
        [0.4, 0.1],
        [[0.7, 0.8, 0.9], [1.2, 1.25, 1.3]],
        lot.seed(),
    );
    (sky.texture, sky.soft) = (Texture::Rough(0.05), 0.01);
    items.push(sky);
    items.push(backdrop(Texture::Rough(0.06), [[0.005, 0.02, 0.005], [0.08, 0.16, 0.04]], lot.seed()));
    items
}
