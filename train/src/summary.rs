//! `train summary`: the stage table with parameters, multiply-adds and activation memory at any size and width.

use manifests::{
    Size,
    run::{Branches, Model},
};

use crate::{
    Error,
    net::{Kind, MULTIPLE, layers},
};

/// Which network, at which size.
#[derive(Debug, clap::Args)]
pub struct SummaryArgs {
    /// Multiplier of every channel count, 1/64 to 1.
    #[arg(long, default_value_t = 1.0)]
    width: f64,
    /// Height x width of the image, multiples of 32.
    #[arg(long, default_value = "224x288", value_parser = str::parse::<Size>)]
    size: Size,
    /// One sub-layer applied three times in each decoder stage, as in the authors' code.
    #[arg(long)]
    shared: bool,
    /// Leave out the gradient decoder.
    #[arg(long)]
    no_gradient_decoder: bool,
}

/// Prints the table.
///
/// # Errors
/// A width or size that the network does not take.
pub fn summary(args: &SummaryArgs) -> Result<(), Error> {
    if !(1.0 / 64.0..=1.0).contains(&args.width) {
        return Err(Error::input("--width must be from 1/64 (0.015625) to 1"));
    }
    let (h, w) = (args.size.height as usize, args.size.width as usize);
    if h % MULTIPLE != 0 || w % MULTIPLE != 0 {
        return Err(Error::input(format!("--size {}: height and width must be multiples of {MULTIPLE}", args.size)));
    }
    let model = Model {
        width: args.width,
        branches: if args.shared { Branches::Shared } else { Branches::Independent },
        gradient_decoder: !args.no_gradient_decoder,
        ..Model::default()
    };
    manifests::say!("{}", table(&model, h, w).trim_end());
    Ok(())
}

/// One line for each layer (name, operation, N x C x H x W in and out, parameters, multiply-adds) and the sums.
pub fn table(model: &Model, height: usize, width: usize) -> String {
    let layers = layers(model);
    let shape = |c: usize, (h, w): (usize, usize)| format!("{c}x{h}x{w}");
    let mut text =
        format!("{:<38} {:<16} {:>14} {:>14} {:>12} {:>9}\n", "layer", "operation", "in", "out", "parameters", "MMAC");
    for layer in &layers {
        let mut operation = match layer.kind {
            Kind::Conv(k) => format!("{k}x{k}"),
            Kind::Deconv => "4x4 transposed".to_owned(),
        };
        if layer.pool {
            operation += ", pool";
        }
        text += &format!(
            "{:<38} {:<16} {:>14} {:>14} {:>12} {:>9.1}\n",
            layer.name,
            operation,
            shape(layer.cin, layer.input_size(height, width)),
            shape(layer.cout, layer.output_size(height, width)),
            layer.parameters(),
            layer.multiply_adds(height, width) as f64 / 1e6,
        );
    }
    let parameters: usize = layers.iter().map(|l| l.parameters()).sum();
    let work: u64 = layers.iter().map(|l| l.multiply_adds(height, width)).sum();
    let numbers: u64 = layers.iter().map(|l| l.activations(height, width)).sum();
    text += &format!(
        "{} layers, {parameters} parameters, {:.2} GMAC and {:.0} MiB of f32 activations for one {height}x{width} image\n",
        layers.len(),
        work as f64 / 1e9,
        numbers as f64 * 4.0 / (1 << 20) as f64,
    );
    text
}
